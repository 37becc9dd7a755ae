"""Any table of images: its columns, its paths, its labels, and DICOM files with one."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxr_core.data.manifest import Manifest
from cxr_core.data.sources.detect import read_sources
from cxr_core.errors import DataError
from cxr_core.film.vocabulary import parse_age, parse_sex
from cxr_core.findings import is_no_finding
from cxr_core.known_findings import finding_named
from tests.data.layouts import by_name, source_issues_by_code, touch, write


@pytest.fixture
def read(tmp_path):
    """Read a table given as text, with films a.png, b.png, … as many as it has rows."""

    def manifest(
        text: str, films: str = "abc", name: str = "labels.csv", **written: Any
    ) -> Manifest:
        touch(*(tmp_path / f"{film}.png" for film in films))
        write(tmp_path / name, text, **written)
        return read_sources([tmp_path])

    return manifest


def test_all_columns_of_a_table(read):
    manifest = read(
        "Path,Patient ID,Split,View Position,Age,Gender,Cardiomegaly,Pleural Effusion,Height\n"
        "a.png,p1,train,PA,057Y,female,1,0.0,2000\n"
        "b.png,p2,valid,AP SUPINE,8.5,M,-1,true,2000\n"
        "c.png,p2,TEST,,,,,No,2000\n"
    )
    films = by_name(manifest)
    assert films["patient"].tolist() == ["p1", "p2", "p2"]
    assert films["split"].tolist() == ["train", "val", "test"]
    assert films["view"].fillna("?").tolist() == ["PA", "AP", "?"]
    assert films["sex"].fillna("?").tolist() == ["F", "M", "?"]
    np.testing.assert_array_equal(films["age"], [57, 8.5, np.nan])
    np.testing.assert_array_equal(films["cardiomegaly"], [1, np.nan, np.nan])
    np.testing.assert_array_equal(films["effusion"], [0, 1, 0])
    assert manifest.findings == ("cardiomegaly", "effusion")
    assert set(source_issues_by_code(manifest)) == {"label_alias"}


@pytest.mark.parametrize(
    "column",
    [
        "image",
        "PATH",
        "file",
        "FileName",
        "file_name",
        "image_path",
        "Image Index",
        "dicom_path",
        "ImageID",
        "image id",
    ],
)
def test_image_column_has_many_names(read, column):
    assert read(f"{column},mass\na.png,1\n", "a").table["status"].tolist() == ["present"]


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_cells_are_separated_by_commas_semicolons_or_tabs(read, sign):
    manifest = read(
        sign.join(["image", "labels"]) + "\n" + sign.join(["a.png", "Mass|Nodule"]) + "\n", "a"
    )
    assert manifest.table[["mass", "nodule"]].iloc[0].tolist() == [1, 1]


def test_column_that_matches_most_films_is_used(read):
    manifest = read("image,file,mass\n17,a.png,1\n18,b.png,0\n", "ab")
    assert manifest.table["status"].tolist() == ["present", "present"]


def test_labels_from_a_column_of_names(read):
    manifest = read(
        'image,Finding Labels\na.png,Cardiomegaly|Infiltrate\nb.png,No Finding\nc.png,\nd.png,"mass; edema"\n'
        "e.png,\"['Mass', 'Edema']\"\n",
        "abcde",
    )
    assert manifest.findings == ("cardiomegaly", "infiltration", "mass", "edema")
    nan = np.nan
    expected = [[1, 1, 0, 0], [0, 0, 0, 0], [nan] * 4, [0, 0, 1, 1], [0, 0, 1, 1]]
    np.testing.assert_array_equal(manifest.table[list(manifest.findings)], expected)
    assert (
        source_issues_by_code(manifest)["label_alias"].message
        == "Read Infiltrate as Infiltration (1 film)."
    )


def test_no_finding_makes_unknown_labels_negative(read):
    manifest = read("image,No Finding,Mass,Edema\na.png,1.0,,\nb.png,,1.0,\nc.png,0.0,,-1.0\n")
    np.testing.assert_array_equal(
        manifest.table[["mass", "edema"]], [[0, 0], [1, np.nan], [np.nan, np.nan]]
    )


def test_unknown_label_blocks_and_is_nan(read):
    manifest = read("image,mass\na.png,1\nb.png,perhaps\nc.png,2\n")
    unknown = source_issues_by_code(manifest)["unknown_label"]
    assert unknown.severity == "blocking"
    assert [image[-5:] for image in unknown.images] == ["b.png", "c.png"]
    assert "'mass=perhaps' (1)" in unknown.message
    np.testing.assert_array_equal(manifest.table["mass"], [1, np.nan, np.nan])


def test_unknown_names_in_a_column_of_labels_block(read):
    manifest = read("image,label\na.png,mass\nb.png,Toothache\nc.png,Mass;Toothache\n")
    assert len(source_issues_by_code(manifest)["unknown_label"].images) == 2
    np.testing.assert_array_equal(manifest.table["mass"], [1, np.nan, 1])


def test_table_without_labels_patients_or_splits_is_reported(read):
    manifest = read("image,ctr\na.png,0.5\nb.png,\n", "ab")
    assert {"no_labels", "patient_unknown", "no_split", "population_unstated"} == set(
        source_issues_by_code(manifest)
    )
    assert manifest.table["patient"].nunique() == 2
    assert manifest.table["split"].isna().all()


def test_films_of_unknown_patients_are_patients_of_their_own(read):
    manifest = read("image,patient,mass\na.png,1,0\nb.png,,1\nc.png,,1\n")
    assert source_issues_by_code(manifest)["patient_unknown"].count == 2
    assert manifest.table["patient"].nunique() == 3


def test_values_not_understood_are_unknown(read):
    manifest = read(
        "image,patient,split,view,sex,age,mass\na.png,1,fold 3,sideways,X,old,1\nb.png,2,train,PA,F,-4,0\n",
        "ab",
    )
    first, second = manifest.table.iloc[0], manifest.table.iloc[1]
    assert first[["split", "view", "sex", "age"]].isna().all()
    assert second[["split", "view", "sex"]].tolist() == ["train", "PA", "F"]
    assert np.isnan(second["age"])
    found = source_issues_by_code(manifest)
    assert found["unknown_value"].count == 1  # film, of which four values were not understood
    for name in ("split", "view", "sex", "age"):
        assert f"The {name} of 1 film was not understood" in found["unknown_value"].message
    assert found["impossible_age"].count == 1
    assert "not_in_split" not in found


def test_film_without_split_beside_others_counts_as_training(read):
    manifest = read("image,split,mass\na.png,test,1\nb.png,,1\n", "ab")
    assert manifest.table["split"].tolist() == ["test", "train"]
    assert source_issues_by_code(manifest)["not_in_split"].examples == ("b.png",)


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("57", 57),
        ("057Y", 57),
        ("18M", 1.5),
        ("365D", 1.0),
        ("52W", 1.0),
        ("8.5", 8.5),
        ("-3", -3),
        ("old", None),
    ],
)
def test_ages(text, years):
    assert parse_age(text) == (pytest.approx(years, rel=0.01) if years is not None else None)


@pytest.mark.parametrize(
    ("text", "sex"), [("M", "M"), ("female", "F"), ("MALE", "M"), ("O", None), ("", None)]
)
def test_sexes(text, sex):
    assert parse_sex(text) == sex


@pytest.mark.parametrize(
    ("label", "key"),
    [
        *[
            ("Infiltrate", "infiltration"),
            ("PLEURAL EFFUSION", "effusion"),
            ("pleural_effusion", "effusion"),
        ],
        *[
            ("Pleural_Thickening", "pleural_thickening"),
            ("Pleural thickening", "pleural_thickening"),
        ],
        *[
            ("Pulmonary oedema", "edema"),
            ("Enlarged Cardiomediastinum", None),
            ("Lung Opacity", None),
            ("", None),
        ],
    ],
)
def test_labels_under_other_names_are_noted(label, key):
    found = finding_named(label)
    assert (found.key if found else None) == key


def test_no_finding_has_several_names():
    assert all(map(is_no_finding, ("No Finding", "NORMAL", "no_finding")))
    assert not is_no_finding("No Lung Opacity / Not Normal")


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "images/p1/a.png",
            "p1/a.png",
            "./p1/a.png",
            "p1\\a.png",
            "study/images/p1/a.png",
            "/home/other/p1/a.png",
        ),
        *("a.png", "a", "{folder}/images/p1/a.png"),
    ],
)
def test_path_is_found_from_table_folder_images_folder_or_name(tmp_path, cell):
    touch(tmp_path / "images" / "p1" / "a.png", tmp_path / "images" / "p2" / "b.png")
    write(tmp_path / "labels.csv", f"image,mass\n{cell.format(folder=tmp_path)},1\n")
    manifest = read_sources([tmp_path])
    assert manifest.table["image"].tolist() == [str(tmp_path / "images" / "p1" / "a.png")]
    assert manifest.table["status"].tolist() == ["present"]


def test_an_absolute_path_may_lead_out_of_the_folder(tmp_path):
    touch(tmp_path / "far" / "a.png")
    write(
        tmp_path / "near" / "labels.csv",
        f"image,mass\n{tmp_path}/far/a.png,1\n{tmp_path}/far/b.png,0\n",
    )
    assert read_sources([tmp_path / "near"]).table["status"].tolist() == ["present", "missing"]


def test_of_equal_names_the_one_below_images_wins_else_the_first(tmp_path):
    touch(*(tmp_path / folder / "a.png" for folder in ("deep/images", "masks/heart", "masks/lung")))
    write(tmp_path / "labels.csv", "image,patient,mass\na.png,1,1\n")
    manifest = read_sources([tmp_path])
    assert manifest.table["image"].tolist() == [str(tmp_path / "deep" / "images" / "a.png")]
    assert not {"same_name_twice", "surplus_images"} & set(source_issues_by_code(manifest))
    (tmp_path / "deep" / "images" / "a.png").unlink()
    manifest = read_sources([tmp_path])
    assert manifest.table["image"].tolist() == [str(tmp_path / "masks" / "heart" / "a.png")]
    assert source_issues_by_code(manifest)["same_name_twice"].examples == ("a.png",)


def test_equal_names_in_patients_folders_are_not_confused(tmp_path):
    """As in CheXpert: every film is called view1.jpg, and one patient's folder is missing."""
    touch(tmp_path / "p1" / "view1.jpg", tmp_path / "p3" / "view1.jpg", tmp_path / "view1.jpg")
    write(
        tmp_path / "labels.csv",
        "Path,Mass\n" + "".join(f"CheXpert/p{i}/view1.jpg,1\n" for i in (1, 2, 3)),
    )
    table = read_sources([tmp_path]).table
    assert table["status"].tolist() == ["present", "missing", "present"]
    assert table["image"].str.contains("p2").tolist() == [False, True, False]


def test_missing_and_surplus_films_are_counted(tmp_path):
    touch(tmp_path / "a.png", tmp_path / "x.png", tmp_path / "y.jpg", tmp_path / "readme.md")
    write(tmp_path / "labels.csv", "image,patient,mass\na.png,1,1\nb.png,2,0\n")
    found = source_issues_by_code(read_sources([tmp_path]))
    assert (found["missing_images"].count, found["missing_images"].examples) == (1, ("b.png",))
    assert (found["surplus_images"].count, found["surplus_images"].examples) == (
        2,
        ("x.png", "y.jpg"),
    )


def test_table_without_its_films_is_refused_beside_other_films(read, tmp_path):
    with pytest.raises(
        DataError, match=r"none of the 3 films .* is named under image in .*first row says 'x\.png'"
    ):
        read("image,mass\nx.png,1\n")
    for film in tmp_path.glob("*.png"):
        film.unlink()
    assert read_sources([tmp_path]).table["status"].tolist() == ["missing"]


def test_rows_that_repeat_or_contradict(read):
    manifest = read(
        "image,patient,note,mass\na.png,1,x,1\na.png,1,y,1\nb.png,2,,1\n./b.png,2,,0\nc.png,3,,0\n"
    )
    found = source_issues_by_code(manifest)
    assert len(manifest.table) == 3
    assert found["duplicate_rows"].count == 1
    assert [image[-5:] for image in found["contradictory_rows"].images] == ["b.png"]
    assert found["contradictory_rows"].severity == "blocking"
    assert by_name(manifest).loc["b.png", "mass"] == 1


def test_tables_with_equal_columns_are_joined_with_splits_from_their_names(tmp_path):
    for part, film in (("train", "a"), ("valid", "b")):
        touch(tmp_path / f"{film}.png")
        write(tmp_path / f"chexpert_{part}.csv", f"Path,Mass\n{film}.png,1\n")
    films = by_name(read_sources([tmp_path]))
    assert films["split"].to_dict() == {"a.png": "train", "b.png": "val"}


def test_tables_with_different_columns_are_joined_unless_one_lies_higher(tmp_path):
    touch(tmp_path / "a.png")
    write(tmp_path / "one.csv", "image,mass\na.png,1\n")
    write(tmp_path / "deeper" / "two.csv", "image,nodule\na.png,1\n")
    assert read_sources([tmp_path]).findings == ("mass",)
    write(tmp_path / "two.csv", "image,nodule\na.png,1\nb.png,0\n")
    manifest = read_sources([tmp_path])
    assert by_name(manifest).loc["a.png", ["mass", "nodule"]].tolist() == [1, 1]
    assert by_name(manifest)["status"].to_dict() == {"a.png": "present", "b.png": "missing"}
    assert source_issues_by_code(manifest)["joined_tables"].examples == ("one.csv", "two.csv")
    write(tmp_path / "two.csv", "image,mass,size\na.png,0,2\n")
    manifest = read_sources([tmp_path])
    assert source_issues_by_code(manifest)["contradictory_rows"].count == 1
    assert manifest.table["mass"].tolist() == [1]
    write(tmp_path / "two.csv", "hospital,beds\nnorth,12\n")
    assert read_sources([tmp_path]).findings == ("mass",)


def test_equal_numbers_of_two_hospitals_are_different_patients(tmp_path):
    for hospital in ("north", "south"):
        touch(tmp_path / hospital / f"{hospital}.png")
        write(tmp_path / hospital / "labels.csv", f"image,patient,mass\n{hospital}.png,1,1\n")
    manifest = read_sources([tmp_path / "north", tmp_path / "south"])
    assert manifest.table["patient"].tolist() == ["north/1", "south/1"]
    assert source_issues_by_code(manifest)["patients_scoped"].count == 1


def test_two_columns_for_one_finding_are_refused(read):
    with pytest.raises(DataError, match="Effusion and Pleural Effusion both mean Effusion"):
        read("image,Effusion,Pleural Effusion\na.png,1,0\n")


def test_row_without_a_film_is_refused(read):
    with pytest.raises(DataError, match="row 2 has nothing under image"):
        read("image,mass\na.png,1\n,0\n")


def dicom(path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(128) + b"DICM")


@pytest.mark.parametrize("cell", ["1.2.840.1.dcm", "1.2.840.1", "films/1.2.840.1.dcm"])
def test_dicom_files_are_found_by_path_by_name_and_without_their_suffix(tmp_path, cell):
    dicom(tmp_path / "films" / "1.2.840.1.dcm")
    write(
        tmp_path / "labels.csv",
        f"file,PatientID,PatientAge,PatientSex,ViewPosition,Mass\n{cell},p,057Y,F,PA,1\n",
    )
    manifest = read_sources([tmp_path])
    assert manifest.kind == "dicom"
    row = manifest.table.iloc[0]
    assert row[["patient", "age", "sex", "view", "mass", "status"]].tolist() == [
        "p",
        57,
        "F",
        "PA",
        1,
        "present",
    ]


def test_dicom_files_without_a_suffix_are_detected_by_first_bytes(tmp_path):
    dicom(tmp_path / "1.2.840.1")
    write(tmp_path / "labels.csv", "file,mass\n1.2.840.1.dcm,1\n")
    manifest = read_sources([tmp_path])
    assert (manifest.kind, manifest.table["status"].tolist()) == ("dicom", ["present"])


def test_real_heart_table_matches_films_and_not_masks(real_data):
    manifest = read_sources([real_data / "heart_ctr"])
    assert manifest.table["image"].str.contains("/heart_ctr/images/", regex=False).all()
    assert set(source_issues_by_code(manifest)) == {
        "no_labels",
        "patient_unknown",
        "no_split",
        "population_unstated",
    }


def test_the_real_dicom_manifest(real_data):
    manifest = read_sources([real_data / "dicom"])
    truth = pd.read_csv(real_data / "dicom" / "manifest.csv")
    assert manifest.table["image"].tolist() == [
        str(real_data / "dicom" / file) for file in truth["file"]
    ]
    assert (
        manifest.table["view"].value_counts().to_dict()
        == truth["view"].value_counts().drop("LL").to_dict()
    )

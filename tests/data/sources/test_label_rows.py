"""Several rows about one film: one a finding, a box or a reader; and several tables about the same films."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from cxr_core.data.manifest import Manifest
from cxr_core.data.sources.detect import read_sources
from cxr_core.errors import DataError
from tests.data.layouts import by_name, source_issues_by_code, touch, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the films a.png, b.png and c.png."""
    touch(*(tmp_path / f"{name}.png" for name in "abc"))
    return tmp_path


def read(folder: Path, *lines: str, name: str = "films.csv") -> Manifest:
    write(folder / name, "\n".join([*lines, ""]))
    return read_sources([folder])


def test_rows_that_name_findings_are_joined(folder: Path) -> None:
    manifest = read(
        folder,
        "image,patient,age,label",
        "a.png,1,50,Effusion",
        "a.png,,,Cardiomegaly",
        "b.png,2,60,No Finding",
        "c.png,3,70,Mass",
    )
    films = by_name(manifest)
    assert films.loc["a.png", ["effusion", "cardiomegaly", "mass"]].tolist() == [1, 1, 0]
    assert films.loc["b.png", ["effusion", "cardiomegaly", "mass"]].tolist() == [0, 0, 0]
    assert films["patient"].tolist() == ["1", "2", "3"]
    found = source_issues_by_code(manifest)
    assert found["joined_rows"].message == "films.csv has 4 rows about 3 films."
    assert "contradictory_rows" not in found


@pytest.mark.parametrize(
    ("second", "named"),
    [
        ("a.png,1,No Finding", "a finding and none"),
        ("a.png,2,Effusion", "two patients"),
    ],
)
def test_rows_that_contradict_each_other_block(folder: Path, second: str, named: str) -> None:
    manifest = read(folder, "image,patient,label", "a.png,1,Mass", second, "b.png,2,No Finding")
    found = source_issues_by_code(manifest)["contradictory_rows"]
    assert found.severity == "blocking", named
    assert [Path(image).name for image in found.images] == ["a.png"]
    assert by_name(manifest).loc["a.png", "mass"] == 1
    assert by_name(manifest).loc["a.png", "patient"] == "1"


def test_a_cell_that_names_a_finding_and_none_blocks(folder: Path) -> None:
    manifest = read(folder, "image,label", "a.png,Mass|No Finding", "b.png,Mass|unchanged")
    assert source_issues_by_code(manifest)["contradictory_rows"].count == 1


def test_the_majority_of_readers_counts(folder: Path) -> None:
    rows = [
        *("a.png,R1,Mass", "a.png,R2,Mass", "a.png,R3,No finding"),
        *("b.png,R1,Mass", "b.png,R2,No finding", "b.png,R3,No finding"),
        *("c.png,R1,Mass", "c.png,R2,No finding"),
    ]
    manifest = read(folder, "image_id,rad_id,class_name", *rows)
    np.testing.assert_array_equal(manifest.table["mass"], [1, 0, np.nan])
    assert source_issues_by_code(manifest)["readers_disagree"].count == 3
    assert "contradictory_rows" not in source_issues_by_code(manifest)


def test_readers_with_a_column_for_each_finding(folder: Path) -> None:
    manifest = read(
        folder, "image_id,rad_ID,Mass,Edema", "a,R1,1,0", "a,R2,1,", "a,R3,0,0", "b,R1,0,1"
    )
    films = by_name(manifest)
    assert films.loc["a.png", ["mass", "edema"]].tolist() == [1, 0]
    assert films.loc["b.png", ["mass", "edema"]].tolist() == [0, 1]
    assert films["status"].tolist() == ["present", "present"]


def test_rows_with_a_finding_and_its_value(folder: Path) -> None:
    manifest = read(
        folder,
        "image,finding,present",
        "a.png,Mass,1",
        "a.png,Edema,0",
        "b.png,No Finding,1",
        "c.png,Mass,-1",
        "c.png,Toothache,1",
    )
    np.testing.assert_array_equal(
        manifest.table[["mass", "edema"]], [[1, 0], [0, 0], [np.nan, np.nan]]
    )
    assert source_issues_by_code(manifest)["unknown_label"].count == 1


def test_a_column_that_names_no_finding_is_no_label_column(folder: Path) -> None:
    """OpenI's `findings` is a free text beside `Problems`; a `class` may be a class of anything."""
    manifest = read(
        folder, "image,Problems,findings", 'a.png,Mass,"No effusion, no edema."', "b.png,normal,"
    )
    assert manifest.findings == ("mass",)
    manifest = read(folder, "image,class", "a.png,B", "b.png,A")
    assert set(source_issues_by_code(manifest)) >= {"no_labels"}
    assert "unknown_label" not in source_issues_by_code(manifest)


def test_rows_that_fill_each_others_gaps_are_joined(folder: Path) -> None:
    manifest = read(
        folder, "image,patient,mass,edema", "a.png,1,1,", "a.png,1,,1", "b.png,2,0,0", "b.png,2,1,0"
    )
    films = by_name(manifest)
    assert films.loc["a.png", ["mass", "edema"]].tolist() == [1, 1]
    contradicted = source_issues_by_code(manifest)["contradictory_rows"].images
    assert [Path(image).name for image in contradicted] == ["b.png"]


def test_a_column_of_yes_and_no_must_be_called_after_a_finding(folder: Path) -> None:
    manifest = read(folder, "image,label", "a.png,1", "b.png,0")
    assert manifest.findings == ()
    unknown = source_issues_by_code(manifest)["unknown_label"]
    assert "call it after the finding, such as Pneumonia" in unknown.message


def test_folders_give_the_split_where_no_table_does(tmp_path: Path) -> None:
    touch(tmp_path / "train" / "a.png", tmp_path / "test" / "b.png")
    write(tmp_path / "films.csv", "image,mass\ntrain/a.png,1\ntest/b.png,0\n")
    manifest = read_sources([tmp_path])
    assert manifest.table["split"].tolist() == ["train", "test"]
    assert source_issues_by_code(manifest)["splits_from_paths"].count == 2
    write(tmp_path / "films.csv", "image,split,mass\ntrain/a.png,test,1\ntest/b.png,train,0\n")
    assert read_sources([tmp_path]).table["split"].tolist() == ["test", "train"]


def test_boxes_of_the_rsna_challenge_are_in_fractions(folder: Path) -> None:
    manifest = read(
        folder, "patientId,x,y,width,height,Target", "a,256,512,128,64,1", "a,0,0,1024,1024,1", "b,,,,,0"
    )  # fmt: skip
    assert manifest.boxes["finding"].tolist() == ["pneumonia", "pneumonia"]
    np.testing.assert_allclose(
        manifest.boxes[["left", "top", "width", "height"]],
        [[0.25, 0.5, 0.125, 0.0625], [0, 0, 1, 1]],
    )
    assert by_name(manifest)["pneumonia"].to_dict() == {"a.png": 1, "b.png": 0}


def test_classes_of_the_rsna_challenge_under_any_heading(folder: Path) -> None:
    manifest = read(
        folder,
        "image,RSNA class",
        "a.png,Lung Opacity",
        "b.png,No Lung Opacity / Not Normal",
        "c.png,Normal",
    )
    assert manifest.table["pneumonia"].tolist() == [1, 0, 0]
    assert "Lung Opacity as Pneumonia" in source_issues_by_code(manifest)["label_alias"].message


def test_tables_of_films_and_of_studies_are_joined(folder: Path) -> None:
    write(folder / "labels.csv", "study_id,age,finding\n010,50,Mass\n010,50,Edema\n11,60,normal\n")
    manifest = read(folder, "image,study_id", "a.png,10", "b.png,11", "c.png,12")
    films = by_name(manifest)
    assert films.loc["a.png", ["mass", "edema", "age"]].tolist() == [1, 1, 50]
    assert films.loc["b.png", ["mass", "edema", "age"]].tolist() == [0, 0, 60]
    assert films.loc["c.png", ["mass", "edema", "age"]].isna().all()
    assert films["patient"].tolist() == ["study 10", "study 11", "study 12"]
    assert source_issues_by_code(manifest)["patients_from_studies"].count == 3


def test_a_table_that_fits_no_film_is_named(folder: Path) -> None:
    write(folder / "studies.csv", "study_id,mass\n10,1\n10,0\n")
    manifest = read(folder, "image,study_id,edema", "a.png,10,1")
    assert source_issues_by_code(manifest)["unused_tables"].examples == ("studies.csv",)


def test_tables_in_the_folders_of_the_splits(tmp_path: Path) -> None:
    for split, name in (("train", "a"), ("valid", "b"), ("test", "a")):
        touch(tmp_path / split / f"{name}.jpg")
        write(tmp_path / split / "_classes.csv", f"filename, NORMAL, PNEUMONIA\n{name}.jpg, 0, 1\n")
    manifest = read_sources([tmp_path])
    assert manifest.table["split"].tolist() == ["test", "train", "val"]
    assert manifest.table["pneumonia"].tolist() == [1, 1, 1]
    assert source_issues_by_code(manifest)["joined_tables"].count == 3


def test_a_table_beside_a_folder_that_is_called_like_a_finding(tmp_path: Path) -> None:
    touch(tmp_path / "pneumonia" / "images" / "a.png", tmp_path / "pneumonia" / "images" / "b.png")
    write(tmp_path / "pneumonia" / "labels.csv", "image,pneumonia\na.png,1\nb.png,0\n")
    assert by_name(read_sources([tmp_path]))["pneumonia"].to_dict() == {"a.png": 1, "b.png": 0}


def test_compressed_tables_are_read_and_damaged_ones_named(folder: Path) -> None:
    data = gzip.compress(b"image,mass\na.png,1\n")
    (folder / "films.csv.gz").write_bytes(data)
    assert read_sources([folder]).table["mass"].tolist() == [1]
    (folder / "films.csv.gz").write_bytes(data[:-12])
    with pytest.raises(DataError, match=r"films\.csv\.gz is a gzip file that is damaged"):
        read_sources([folder])


def test_a_template_for_answers_is_no_table_of_films(folder: Path) -> None:
    with pytest.raises(
        DataError, match=r"submission\.csv is a template for a competition's answers"
    ):
        read(folder, "image_id,PredictionString", "a,14 1 0 0 1 1", name="submission.csv")


def test_a_workbook_is_named_where_there_is_no_table(folder: Path) -> None:
    (folder / "labels.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"labels\.xlsx is a workbook.* save it as CSV"):
        read_sources([folder])


@pytest.mark.parametrize(
    ("birth", "study", "years"),
    [
        ("1930.0", "20140915", 84),
        ("1930", "2014", 84),
        ("1930-10-01", "2014-09-15", 83),
        ("19300901", "20140915", 84),
        ("", "20140915", np.nan),
        ("unknown", "20140915", np.nan),
    ],
)
def test_ages_from_dates_of_birth(folder: Path, birth: str, study: str, years: float) -> None:
    manifest = read(folder, "image,PatientBirth,StudyDate_DICOM,mass", f"a.png,{birth},{study},1")
    np.testing.assert_array_equal(manifest.table["age"], [years])

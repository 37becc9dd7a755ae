"""The layout of Kaggle's chest_xray."""

import numpy as np
import pandas as pd
import pytest

from cxr_core.data.sources.detect import read_sources
from cxr_core.data.sources.files import list_folders
from cxr_core.data.sources.film_paths import find_patient
from cxr_core.errors import DataError
from tests.data.layouts import by_name, source_issues_by_code, touch


@pytest.fixture
def kaggle(tmp_path):
    folder = tmp_path / "chest_xray"
    touch(
        folder / "train" / "NORMAL" / "IM-0115-0001.jpeg",
        folder / "train" / "PNEUMONIA" / "person1_bacteria_2.jpeg",
        folder / "train" / "PNEUMONIA" / "person1_virus_3.jpeg",
        folder / "val" / "PNEUMONIA" / "person1946_bacteria_4874.jpeg",
        folder / "test" / "PNEUMONIA" / "person1_virus_6.jpeg",
        folder / "test" / "NORMAL" / "NORMAL2-IM-0927-0001.jpeg",
    )
    return folder


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("person12_bacteria_47.jpeg", "person12"),
        ("IM-0115-0001.jpeg", "IM-0115"),
        ("IM-0115-0001-0002.jpeg", "IM-0115"),
        ("NORMAL2-IM-0927-0001.jpeg", "NORMAL2-IM-0927"),
        ("personal.png", None),
        ("film.of.1.png", None),
    ],
)
def test_patients_come_from_the_file_name(name, patient):
    found = find_patient(name)
    assert (found.number if found else None) == patient


def test_splits_labels_and_patients(kaggle):
    manifest = read_sources([kaggle])
    films = by_name(manifest)
    assert films["split"].value_counts().to_dict() == {"train": 3, "test": 2, "val": 1}
    assert films.loc["person1_virus_6.jpeg", "patient"] == "test/person1"
    assert (
        films.loc["person1_bacteria_2.jpeg", "patient"]
        == films.loc["person1_virus_3.jpeg", "patient"]
    )
    assert films.loc["IM-0115-0001.jpeg", "pneumonia"] == 0
    assert films.loc["person1_virus_6.jpeg", "pneumonia"] == 1
    assert films["source"].unique().tolist() == ["chest_xray"]
    assert manifest.findings == ("pneumonia",)
    assert "CC BY 4.0" in manifest.terms


def test_numbers_in_two_splits_are_counted(kaggle):
    shared = source_issues_by_code(read_sources([kaggle]))["patients_scoped"]
    assert (shared.count, shared.examples) == (1, ("person1",))
    (kaggle / "test" / "PNEUMONIA" / "person1_virus_6.jpeg").unlink()
    assert "patients_scoped" not in source_issues_by_code(read_sources([kaggle]))


def test_films_whose_path_names_no_patient_are_reported(kaggle):
    assert "patient_unknown" not in source_issues_by_code(read_sources([kaggle]))
    touch(
        kaggle / "train" / "NORMAL" / "scan_a.png",
        kaggle / "train" / "PNEUMONIA" / "scan_b.png",
        kaggle / "train" / "PNEUMONIA" / "scan_c_lateral.png",  # left out
    )
    manifest = read_sources([kaggle])
    unknown = source_issues_by_code(manifest)["patient_unknown"]
    assert (unknown.severity, unknown.count) == ("warning", 2)
    assert unknown.examples == ("scan_a.png", "scan_b.png")
    assert unknown.message == (
        "The paths of 2 films name no patient; each file name counts as a patient of its own."
    )
    films = by_name(manifest)
    assert films.loc["scan_a.png", "patient"] == "train/scan_a"


@pytest.mark.parametrize("lacking", ["val", "test"])
def test_split_folder_may_be_missing(kaggle, lacking):
    for path in (kaggle / lacking).rglob("*.jpeg"):
        path.unlink()
    assert lacking not in set(read_sources([kaggle]).table["split"])


def test_splits_one_folder_down_are_found_and_a_second_copy_is_ignored(kaggle):
    alone = read_sources([kaggle.parent])
    assert len(alone.table) == 6
    assert "same_name_twice" not in source_issues_by_code(alone)
    touch(
        kaggle / "chest_xray" / "train" / "NORMAL" / "IM-0115-0001.jpeg",
        kaggle / "chest_xray" / "test" / "PNEUMONIA" / "person1_virus_6.jpeg",
    )
    manifest = read_sources([kaggle])
    assert source_issues_by_code(manifest)["same_name_twice"].count == 2
    assert len(manifest.table) == 6
    assert not manifest.table["image"].str.contains("chest_xray/chest_xray").any()


def test_splits_have_other_names_and_classes_any_case(tmp_path):
    touch(tmp_path / "Training" / "normal" / "a.png", tmp_path / "valid" / "Cardiomegaly" / "b.png")
    films = by_name(read_sources([tmp_path]))
    assert films["split"].to_dict() == {"a.png": "train", "b.png": "val"}
    assert films["cardiomegaly"].to_dict() == {"a.png": 0, "b.png": 1}


def test_classes_without_splits_have_no_split(tmp_path):
    touch(tmp_path / "NORMAL" / "a.png", tmp_path / "PNEUMONIA" / "b.png")
    manifest = read_sources([tmp_path])
    assert manifest.table["split"].isna().all()
    assert source_issues_by_code(manifest)["no_split"].count == 2
    assert set(manifest.table["patient"]) == {"a", "b"}


def test_film_with_one_finding_is_unknown_for_others(tmp_path):
    for label in ("NORMAL", "PNEUMONIA", "EFFUSION"):
        touch(tmp_path / "train" / label / f"{label}.png")
    films = by_name(read_sources([tmp_path]))
    assert films.loc["NORMAL.png", ["pneumonia", "effusion"]].tolist() == [0, 0]
    assert films.loc["PNEUMONIA.png", "pneumonia"] == 1
    assert np.isnan(films.loc["PNEUMONIA.png", "effusion"])


def test_unknown_class_blocks_and_names_its_films(kaggle):
    touch(kaggle / "train" / "BROKEN BONE" / "a.png", kaggle / "test" / "BROKEN BONE" / "b.png")
    manifest = read_sources([kaggle])
    unknown = source_issues_by_code(manifest)["unknown_label"]
    assert unknown.severity == "blocking"
    assert unknown.message == "Unknown labels in 2 films: 'BROKEN BONE' (2)."
    assert set(unknown.images) == set(
        manifest.table.loc[manifest.table["pneumonia"].isna(), "image"]
    )


def test_only_unknown_classes_give_no_labels(tmp_path):
    touch(tmp_path / "train" / "BROKEN BONE" / "a.png")
    manifest = read_sources([tmp_path])
    assert manifest.findings == ()
    assert {"unknown_label", "no_labels"} <= set(source_issues_by_code(manifest))


def test_equal_numbers_in_two_folders_are_different_patients(tmp_path):
    for hospital in ("north", "south"):
        touch(tmp_path / hospital / "train" / "PNEUMONIA" / "person1_virus_6.jpeg")
    manifest = read_sources([tmp_path / "north", tmp_path / "south"])
    assert set(manifest.table["patient"]) == {"north/train/person1", "south/train/person1"}
    assert len(manifest.table) == 2


def test_images_outside_class_folders_are_ignored(tmp_path):
    touch(tmp_path / "a.png")
    with pytest.raises(DataError, match="CLASS/"):
        read_sources([tmp_path], "folder")


def test_other_folders_do_not_carry_kermanys_terms(tmp_path):
    touch(tmp_path / "train" / "NORMAL" / "a.png")
    assert "CC BY" not in read_sources([tmp_path]).terms


def test_the_real_kaggle_folder(real_data):
    manifest = read_sources([real_data / "kermany_pneumonia"])
    test = manifest.select_split("test").table
    assert (len(test), int(test["pneumonia"].sum())) == (624, 390)
    train = manifest.select_split("train").table
    assert (len(train), int(train["pneumonia"].sum())) == (4700, 3498)
    numbers = {
        part: set(pd.Series(films["image"]).str.extract(r"/(person\d+)_")[0].dropna())
        for part, films in (("train", train), ("test", test))
    }
    shared = source_issues_by_code(manifest)["patients_scoped"]
    assert shared.count == len(numbers["train"] & numbers["test"]) == 154
    assert set(source_issues_by_code(manifest)) == {"patients_scoped", "population_unstated"}
    assert manifest.table.groupby("patient")["split"].nunique().max() == 1


@pytest.mark.parametrize(
    ("path", "is_mask"),
    [
        *[("masks/heart/a.png", True), ("ManualMask/leftMask/a.png", True), ("a_mask.png", True)],
        *[("COVID/lung masks/a.png", True), ("Ground-truths/a.png", True), ("mask_12.png", True)],
        *[("images/a.png", False), ("study_masks_left_out/a.png", False), ("unmasked/a.png", False)],
    ],
)  # fmt: skip
def test_masks_are_told_from_films_by_their_names(tmp_path, path, is_mask):
    touch(tmp_path / path)
    (listing,) = list_folders([tmp_path])
    assert (str(tmp_path / path) in listing.masks) is is_mask


def test_images_in_no_class_folder_are_counted(kaggle):
    touch(kaggle / "train" / "overview.png", kaggle / "figure.png")
    manifest = read_sources([kaggle])
    outside = source_issues_by_code(manifest)["outside_classes"]
    assert (outside.count, len(manifest.table)) == (2, 6)
    account = manifest.account_for_films()
    assert account.sentence == "8 image files found: 6 used, 2 in no class folder."


def test_a_table_beside_class_folders_is_named(kaggle):
    (kaggle / "films.csv").write_text("image,age\nIM-0115-0001.jpeg,4\n")
    unused = source_issues_by_code(read_sources([kaggle]))["unused_tables"]
    assert unused.message == "films.csv: the class folders say what the films show."

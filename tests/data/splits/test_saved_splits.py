"""Splits that are planned, looked at, saved by name and applied: by patient, and read back as they were written."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cxr_core.data.registry import Dataset
from cxr_core.data.splits.own_list import read_own_split
from cxr_core.data.splits.plan import plan_by_ratios, plan_folds, plan_official
from cxr_core.data.splits.preview import LEFT_OUT, count_split
from cxr_core.data.splits.saved_split import (
    FILMS,
    delete_split,
    list_splits,
    list_splits_of,
    load_split,
    save_split,
    splits_folder,
)
from cxr_core.errors import DataError
from cxr_core.workspace.log import FILE, log_folder
from tests.data.splits.test_splits import hospital, manifest_of


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    folder = tmp_path / "dataset"
    folder.mkdir()
    return Dataset(name="films", folder=folder, folders=(tmp_path,), kind="csv", prepared="")


def with_official_test(manifest):
    """Each fifth patient in the test split."""
    is_test = manifest.table["patient"].astype(int) % 5 == 0
    return manifest.with_table(manifest.table.assign(split=np.where(is_test, "test", "train")))


@settings(max_examples=40, deadline=None)
@given(films=st.integers(150, 500), seed=st.integers(0, 50), folds=st.integers(2, 4))
def test_each_film_is_tested_in_one_fold_and_no_patient_in_two(films, seed, folds):
    manifest = hospital(films, seed)
    try:
        split = plan_folds(manifest, folds, ("pneumonia",), seed)
    except DataError:
        return
    tested = []
    for fold in range(1, folds + 1):
        table = split.apply(manifest, fold).table
        test, train = table[table["split"] == "test"], table[table["split"] == "train"]
        tested += list(test["image"])
        for column in ("patient", "sha256"):
            assert not set(test[column]) & set(train[column])
        assert len(test) + len(train) == len(table)
    assert sorted(tested) == sorted(manifest.table["image"])


def test_the_official_test_split_is_left_alone():
    manifest = with_official_test(hospital(1500))
    official = set(manifest.table.loc[manifest.table["split"] == "test", "sha256"])
    divided = plan_by_ratios(manifest, "80:20:10", ("pneumonia",), 1)
    table = divided.apply(manifest).table
    assert set(table.loc[table["split"] == "test", "sha256"]) == official
    assert divided.record.official_test
    folds = plan_folds(manifest, 3, ("pneumonia",), 1)
    for fold in (1, 2, 3):
        table = folds.apply(manifest, fold).table
        assert not set(table.loc[table["split"].notna(), "sha256"]) & official


def test_more_folds_than_patients_are_refused():
    patients, ill = list(range(12)), [1.0] * 4 + [0.0] * 8
    manifest = manifest_of(patients, pneumonia=ill)
    with pytest.raises(DataError, match="found 12 patients, too few for 13 folds"):
        plan_folds(manifest, 13, (), 0)
    with pytest.raises(DataError, match=r"found 4 patients with pneumonia.*4 folds or fewer"):
        plan_folds(manifest, 5, ("pneumonia",), 0)
    assert plan_folds(manifest, 4, ("pneumonia",), 0).record.folds == 4


def test_a_saved_split_is_read_back_and_never_replaced(dataset):
    manifest = hospital(300)
    split = plan_folds(manifest, 3, ("pneumonia",), 0)
    folder = save_split(dataset, "three-folds", split)
    again = load_split(folder)
    assert again.record == split.record
    pd.testing.assert_frame_equal(again.films, split.films, check_dtype=False)
    with pytest.raises(DataError, match="already"):
        save_split(dataset, "three-folds", split)
    with pytest.raises(DataError, match="cannot be named"):
        save_split(dataset, "../three", split)
    assert list(list_splits(dataset)) == ["three-folds"]
    (folder / FILMS).write_text((folder / FILMS).read_text().replace(",1\n", ",9\n"))
    with pytest.raises(DataError, match="make it anew"):
        load_split(folder)
    delete_split(dataset, "three-folds")
    assert not list_splits(dataset)


def test_films_are_recognised_by_their_pixels_and_others_lie_in_no_split():
    manifest = hospital(300)
    split = plan_by_ratios(manifest, "60:20:20", ("pneumonia",), 0)
    renamed = manifest.table.assign(image="else/" + manifest.table["image"])
    renamed.loc[0, "sha256"] = "new"
    table = split.apply(manifest.with_table(renamed)).table
    before = split.apply(manifest).table["split"]
    assert pd.isna(table["split"][0])
    assert (table["split"][1:] == before[1:]).all()
    with pytest.raises(DataError, match="none of these 300 films"):
        split.apply(manifest.with_table(renamed.assign(sha256="other")))
    with pytest.raises(DataError, match="no folds"):
        split.apply(manifest, 1)


def test_counts_agree_with_pandas():
    manifest = with_official_test(hospital(800))
    split = plan_by_ratios(manifest, "80:20:0", ("pneumonia",), 0)
    counts = count_split(manifest, split)
    table = split.apply(manifest).table
    ill = table[table["pneumonia"] == 1]["split"].value_counts()
    assert dict(counts.loc[("Pneumonia", "present"), ["Training", "Validation", "Test"]]) == {
        "Training": ill["train"],
        "Validation": ill["val"],
        "Test": ill["test"],
    }
    assert counts.loc[("All", "Films")].sum() == len(table)
    left_out = table["split"].isna().sum()
    assert counts.loc[("All", "Films")].get(LEFT_OUT.capitalize(), 0) == left_out


def test_an_own_list_by_patient_or_film_is_read():
    manifest = manifest_of([1, 1, 2, 3, 4])
    by_patient = b"Patient ID;Split\n01;Training\n2;test\n3;valid\n77;train\n"
    own = read_own_split(manifest, by_patient, "mine.csv")
    assert list(own.split.films["split"]) == ["train", "train", "test", "val"]
    assert [remark.split(":")[0] for remark in own.remarks] == ["Not used", "Not in the list"]
    by_film = b"image,fold\nx/000000.PNG,1\n000001,1\n000002.png,2\n"
    own = read_own_split(manifest, by_film, "mine.csv")
    assert own.split.record.folds == 2
    assert list(own.split.films["split"]) == ["1", "1", "2"]
    again = read_own_split(manifest, own.split.films.to_csv(index=False).encode(), "films.csv")
    pd.testing.assert_frame_equal(again.split.films, own.split.films)
    official = with_official_test(manifest_of([5, 6, 10]))
    own = read_own_split(official, b"patient,split\n5,train\n6,test\n", "mine.csv")
    assert "1 film of the official test split for learning" in own.remarks[-1]
    assert not own.split.record.official_test


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"patient,split\n1,train\n2,some\n", "row 2: 'some' is no split"),
        (b"a,b\n1,2\n", "no column split or fold"),
        (b"split,b\ntrain,2\n", "no column image or patient"),
        (b"patient,fold\n1,1\n2,3\n", "without a gap"),
        (b"patient,split\n77,train\n", "none of the 1 row of mine.csv names"),
        (b"patient,split\n1,test\n", "no film into train"),
        (b"patient,split\n1,test\n1,train\n", "row 2: 1 lies in train and"),
        (b"image,split\n000000.png,test\n000001.png,train\n", "patient 1 lies in test and train"),
        (b"\xff\xd8\xff\xe0", "is a picture"),
    ],
)
def test_a_list_that_cannot_be_used_says_why(content, sentence):
    with pytest.raises(DataError, match=sentence):
        read_own_split(manifest_of([1, 1, 2, 3, 4]), content, "mine.csv")


def test_the_split_of_the_data_is_kept_by_name():
    manifest = with_official_test(hospital(300))
    assert plan_official(manifest).record.official_test
    with pytest.raises(DataError, match="no split of its own"):
        plan_official(manifest.with_table(manifest.table.assign(split=None)))


def test_a_copy_that_another_patient_has_takes_nobody_into_a_second_split():
    """Patient 2 has a copy of patient 1's test film, and a film of their own in train."""
    manifest = manifest_of([1, 2, 2, 3])
    pixels, places = ["copy", "copy", "own", "other"], ["test", "train", "train", "train"]
    manifest = manifest.with_table(manifest.table.assign(sha256=pixels, split=places))
    official = plan_official(manifest)
    assert list(official.apply(manifest).table["split"].fillna("")) == [
        "test",
        "",
        "train",
        "train",
    ]
    assert official.count_unassigned(manifest) == 1
    assert count_split(manifest, official).loc[("All", "Patients"), "Test"] == 1
    content = b"image,split\n000000.png,train\n000002.png,test\n"
    own = read_own_split(manifest, content, "mine.csv").split
    assert list(own.apply(manifest).table["split"].fillna("")) == ["train", "", "test", ""]


def test_a_test_split_by_shares_is_not_the_datas_own():
    """The gate compares models on an official test split, which none of them has learnt; this one is of one run."""
    manifest = hospital(400)
    assert not plan_by_ratios(manifest, "60:20:20", ("pneumonia",), 1).record.official_test


def test_the_list_of_saved_folds_beside_an_official_test_split_is_read_again():
    manifest = with_official_test(hospital(900))
    folds = plan_folds(manifest, 3, ("pneumonia",), 0)
    again = read_own_split(manifest, folds.films.to_csv(index=False).encode(), "films.csv").split
    assert again.record.folds == 3
    pd.testing.assert_frame_equal(again.films, folds.films, check_dtype=False)


def test_a_deletion_is_logged_and_a_look_at_the_splits_is_not(dataset, workspace):
    save_split(dataset, "mine", plan_folds(hospital(300), 3, ("pneumonia",), 0))
    list_splits_of(dataset.folders)
    assert not (log_folder() / FILE).exists()
    delete_split(dataset, "mine")
    assert (log_folder() / FILE).read_text(encoding="utf-8").count("deletion of a split") == 2
    assert not list(splits_folder(dataset).glob("*"))

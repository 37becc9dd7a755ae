"""Radiologists' labels of the RSNA challenge in the place of the labels mined from NIH's reports."""

import numpy as np
import pytest

from cxr_core.data.manifest import Manifest
from cxr_core.data.sources.detect import read_sources
from cxr_core.errors import DataError
from tests.data.layouts import by_name, entries, source_issues_by_code, touch, write

HEADER = '"Image Index","RSNA class","Boxes (x y width height, 1024 frame; several by |)"'
ROWS = (
    "00000001_000.png,Lung Opacity,256 512 128 64;0 0 1024 1024",
    "00000002_000.png,Normal,",
    "00000003_000.png,No Lung Opacity / Not Normal,",
    "00000005_000.png,Normal,",
    "00000009_000.png,Normal,",
)


@pytest.fixture
def nih(tmp_path):
    """Four of five films are there; the first and second have another label in the text, the fourth no other label."""
    folder = tmp_path / "cxr8"
    touch(*(folder / "images" / f"0000000{number}_000.png" for number in (1, 2, 3, 4)))
    rows = (
        "00000001_000.png,Mass,0,1,57,M,PA",
        "00000002_000.png,Pneumonia|Edema,0,2,58,M,AP",
        "00000003_000.png,No Finding,0,3,80,F,PA",
        "00000004_000.png,Pneumonia,0,4,81,F,PA",
        "00000005_000.png,Pneumonia,0,5,81,F,PA",
    )
    write(folder / "Data_Entry_2017_v2020.csv", entries(*rows))
    write(folder / "test_list.txt", "00000004_000.png\n00000005_000.png\n")
    write(
        folder / "BBox_List_2017.csv",
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
        "00000004_000.png,Pneumonia,1,2,3,4\n00000001_000.png,Mass,512,0,512,512\n",
    )
    return folder


def read(nih, *rows: str) -> Manifest:
    labels = nih.parent / "rsna"
    write(labels / "rsna.csv", "\n".join([HEADER, *rows, ""]))
    return read_sources([labels, nih])


def test_radiologists_labels_replace_mined_ones_and_unlabelled_films_are_unknown(nih):
    manifest = read(nih, *ROWS)
    films = by_name(manifest)
    np.testing.assert_array_equal(films["pneumonia"], [1, 0, 0, np.nan, 0])
    np.testing.assert_array_equal(films["abnormality"], [1, 0, 1, np.nan, 0])
    assert films["mass"].tolist() == [1, 0, 0, 0, 0]
    assert films["edema"].tolist() == [0, 1, 0, 0, 0]
    assert films["split"].tolist() == ["train", "train", "train", "test", "test"]
    assert films["patient"].tolist() == ["1", "2", "3", "4", "5"]
    assert "Shih" in manifest.terms
    assert manifest.findings[-1] == "abnormality"


def test_boxes_are_the_radiologists_in_fractions_of_the_film(nih):
    boxes = read(nih, *ROWS).boxes
    assert boxes["finding"].tolist() == ["mass", "pneumonia", "pneumonia"]
    np.testing.assert_allclose(
        boxes[["left", "top", "width", "height"]],
        [[0.5, 0, 0.5, 0.5], [0.25, 0.5, 0.125, 0.0625], [0, 0, 1, 1]],
    )
    assert boxes["image"].str[-16:].tolist() == ["00000001_000.png"] * 3


def test_the_account_tells_what_was_replaced_and_where_both_differ(nih):
    manifest = read(nih, *ROWS)
    account = manifest.account_for_films()
    assert account is not None
    assert account.rows is not None
    assert (account.rows.found, account.rows.used) == (10, 4)
    assert account.rows.left_out == {"missing": 2, "joined": 4}
    sentence = (
        "Pneumonia of 3 films is the radiologists' label in place of the mined one, and differs from it in 2; 1 other "
        "mined labels of it are not used."
    )
    assert account.sentence.endswith(sentence)
    issue = source_issues_by_code(manifest)["radiologists_labels"]
    assert (issue.count, issue.message) == (3, f"rsna.csv, labels by radiologists: {sentence}")


def test_the_manifest_keeps_the_account(nih, tmp_path):
    manifest = read(nih, *ROWS)
    manifest.save(tmp_path / "manifest.parquet")
    assert Manifest.load(tmp_path / "manifest.parquet").account_for_films() == (
        manifest.account_for_films()
    )


def test_rows_that_contradict_each_other_are_reported(nih):
    manifest = read(nih, *ROWS, "00000002_000.png,Lung Opacity,1 1 1 1")
    assert by_name(manifest).loc["00000002_000.png", "pneumonia"] == 0
    assert source_issues_by_code(manifest)["contradictory_rows"].count == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("00000001_000.png,Opacity,", r"row 1 has the RSNA class 'opacity'; expected Lung Opacity"),
        ("00000001_000.png,Lung Opacity,1 2 3", r"row 1 has the box '1 2 3' .* expected x, y"),
        ("00000001_000.png,Lung Opacity,1 2 3 x", r"the box '1 2 3 x'"),
        ("00000001_000.png,Lung Opacity,1000 2 30 40", r"the box '1000 2 30 40'"),
        ("00000001_000.png,Normal,1 2 3 4", r"the class 'normal'; .* only for Lung Opacity"),
        ("a.png,Normal,", r"names none of the 5 films of NIH's table; its first row says 'a.png'"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_its_row(nih, row, message):
    with pytest.raises(DataError, match=message):
        read(nih, row)


def test_a_broken_table_stops_only_where_it_could_be_the_labels(nih):
    write(nih / "notes.csv", "")
    assert by_name(read_sources([nih]))["pneumonia"].tolist() == [0, 1, 0, 1, 1]
    write(nih.parent / "rsna" / "rsna.csv", "")
    with pytest.raises(DataError, match=r"rsna\.csv is empty"):
        read_sources([nih, nih.parent / "rsna"])


def test_labels_without_nihs_tables_name_what_is_missing(tmp_path):
    write(tmp_path / "rsna.csv", "\n".join([HEADER, *ROWS]))
    with pytest.raises(DataError, match=r"no Data_Entry_2017\*\.csv"):
        read_sources([tmp_path])

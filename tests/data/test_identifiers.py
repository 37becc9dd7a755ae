"""Two spellings of one patient or file are recognised; two patients or files never become one without a word."""

import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxr_core.data.identifiers import (
    canonical_number,
    canonical_patient,
    find_spellings,
    normalise_name,
    normalise_patient,
    unify_patients,
)
from cxr_core.data.manifest import Manifest, build_table
from cxr_core.data.registry import choose_folder
from cxr_core.data.selection import FilmIndex, Selection
from cxr_core.data.sources.csv_tables import read_list
from cxr_core.data.sources.detect import read_sources
from cxr_core.data.sources.masks import load_mask
from cxr_core.data.splits.holdout import hash_patient
from cxr_core.errors import DataError
from tests.data.layouts import by_name, entries, source_issues_by_code, touch, write

MUELLER = unicodedata.normalize("NFC", "Müller.png")
ON_A_MAC = unicodedata.normalize("NFD", "Müller.png")


@pytest.mark.parametrize(
    "text",
    [
        "100",
        "00000100",
        "100.0",
        "100,00",
        " 100 ",
        "100\u00a0",
        "１００",
        '="00000100"',
        "'0100",
        "\u200e100",
    ],
)
def test_spreadsheets_spell_one_number_in_many_ways(text):
    assert normalise_patient(text) == "100"


@pytest.mark.parametrize(
    ("one", "other"),
    [("P0012", "p12"), ("PAT-7", "pat-007"), ("A  B", "a b"), ("MÜLLER", "mu\u0308ller")],
)
def test_one_patient_in_two_spellings(one, other):
    assert normalise_patient(one) == normalise_patient(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("100", "1000"),
        ("100.5", "100"),
        ("0", "00100"),
        ("IM-0115-1", "IM-115-10"),
        ("-1", "1"),
        ("1.10", "1.1"),
    ],
)
def test_two_patients_stay_two(one, other):
    assert normalise_patient(one) != normalise_patient(other)


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 9))
def test_numbers_are_one_patient_if_and_only_if_they_are_equal(one, other, zeros):
    spelled = "0" * zeros + str(one)
    assert (normalise_patient(spelled) == normalise_patient(f"{other}.0")) == (one == other)


@given(st.text())
def test_forms_of_any_text_stay_as_they_are(text):
    assert canonical_number(canonical_number(text)) == canonical_number(text) or text.startswith(
        ("'", "=")
    )
    assert normalise_name(normalise_name(text)) == normalise_name(text)


@given(st.binary(max_size=12))
def test_file_names_in_any_bytes_have_a_form(data):
    normalise_name(data.decode("utf-8", "surrogateescape")).encode()


def test_name_in_latin_1_bytes_is_the_one_in_utf_8():
    assert normalise_name(b"M\xfcller.png".decode("utf-8", "surrogateescape")) == "müller.png"


def test_several_spellings_are_reported_with_a_count_and_the_first_is_kept():
    cells, (issue,) = unify_patients(pd.Series(["00000100", "7", "100", "100.0"], dtype="str"))
    assert cells.tolist() == ["00000100", "7", "00000100", "00000100"]
    assert (issue.code, issue.count) == ("patient_spellings", 1)
    assert issue.examples == ("'00000100' = '100'",)


def test_patients_in_one_spelling_stay_as_the_table_has_them():
    cells = pd.Series(["00000100", "00000007"], dtype="str")
    assert unify_patients(cells)[0] is cells
    assert unify_patients(cells)[1] == []


def test_a_spelling_with_two_candidates_has_no_partner():
    assert find_spellings(["A.png"], ["a.png", "a.PNG"]) == {}
    assert find_spellings(["A.png"], ["a.png", "b.png"]) == {"A.png": "a.png"}


def test_a_patient_is_one_across_spellings_in_a_table(tmp_path):
    touch(tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.png")
    write(
        tmp_path / "labels.csv",
        "image,patient,split,mass\na.png,00000100,train,1\nb.png,100,test,0\nc.png,7,train,0\n",
    )
    manifest = read_sources([tmp_path])
    assert manifest.table["patient"].tolist() == ["00000100", "00000100", "7"]
    assert source_issues_by_code(manifest)["patient_spellings"].count == 1


@pytest.mark.parametrize(
    ("cell", "file"),
    [
        (MUELLER, ON_A_MAC),
        (ON_A_MAC, MUELLER),
        ("IMG1.PNG", "img1.png"),
        ("folder/Scan  1.png", "Folder/scan 1.png"),
        ("100", "00000100.png"),
        ("100.0", "00000100.png"),
        ("\u200e100.png", "100.png"),
        ("scan.png", "scan.jpg"),
        (f"films/{MUELLER}", f"films/{ON_A_MAC}"),
    ],
)
def test_a_file_is_found_under_another_spelling_and_it_is_said(tmp_path, cell, file):
    touch(tmp_path / file, tmp_path / "other.png")
    write(tmp_path / "labels.csv", f"image,mass\n{cell},1\nother.png,0\n")
    manifest = read_sources([tmp_path])
    assert manifest.table["image"].tolist() == [str(tmp_path / file), str(tmp_path / "other.png")]
    assert source_issues_by_code(manifest)["name_spellings"].count == 1


@pytest.mark.parametrize("files", [["01.png"], ["1.png", "1.jpg"], ["img01.png"]])
def test_a_file_of_another_name_or_of_two_candidates_is_never_taken(tmp_path, files):
    touch(tmp_path / "other.png", *(tmp_path / file for file in files))
    write(tmp_path / "labels.csv", "image,mass\n1.dcm,1\nother.png,0\n")
    manifest = read_sources([tmp_path])
    assert manifest.table["status"].tolist() == ["missing", "present"]


def test_a_file_that_another_cell_names_exactly_is_never_taken(tmp_path):
    touch(tmp_path / "a.png")
    write(tmp_path / "labels.csv", "image,mass\nA.png,1\na.png,0\n")
    films = by_name(read_sources([tmp_path]))
    assert films["status"].to_dict() == {"A.png": "missing", "a.png": "present"}


def test_nih_names_lists_and_boxes_are_compared_in_any_spelling(tmp_path):
    touch(tmp_path / "images" / "00000001_000.PNG", tmp_path / "images" / "00000002_000.jpg")
    rows = ("00000001_000.png,Mass,0,1,57,M,PA", "00000002_000.png,Mass,0,2,57,M,PA")
    write(tmp_path / "Data_Entry_2017.csv", entries(*rows))
    write(tmp_path / "test_list.txt", "00000002_000.PNG\n")
    write(
        tmp_path / "BBox_List_2017.csv",
        "Image Index,Finding Label,Bbox [x,y,w,h],,,\n00000001_000.PNG,Mass,256,512,512,128\n",
    )
    manifest = read_sources([tmp_path])
    assert manifest.table["status"].tolist() == ["present", "present"]
    assert manifest.table["split"].tolist() == ["train", "test"]
    assert len(manifest.boxes) == 1
    assert source_issues_by_code(manifest)["name_spellings"].count == 2


@pytest.mark.parametrize("typed", ["00000100", "100", "0100", " 100.0"])
def test_the_filter_of_the_data_page_finds_a_patient_in_any_spelling(typed):
    columns = {"split": ["train", "train"], "source": ["x", "x"]}
    table = build_table({"image": ["a", "b"], "patient": ["00000100", "7"], **columns})
    index = FilmIndex(Manifest(table, "csv", ""))
    assert index.find_rows(Selection(patient=typed)).tolist() == [0]
    assert index.find_rows(Selection(patient="1000")).tolist() == []


def test_a_dataset_is_named_in_one_unicode_form(workspace):
    in_two = unicodedata.normalize("NFD", "Köln")
    assert choose_folder([Path("/films") / in_two], None).name == "Köln"
    assert choose_folder([Path("/films")], in_two).name == "Köln"


def test_lists_name_films_in_one_form(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"images\\a.png\r")
    assert read_list(str(path)) == {"a.png"}


def test_a_mask_is_found_under_another_spelling(tmp_path):
    touch(tmp_path / "masks" / "heart" / ON_A_MAC)
    film = tmp_path / "images" / MUELLER
    with pytest.raises(DataError, match="is not an image that can be read"):  # found, and empty
        load_mask(film, "heart")


def test_holdout_and_split_are_the_same_in_either_spelling():
    assert hash_patient("00000100") == hash_patient("folder/100") == hash_patient("100.0")
    assert hash_patient("100") != hash_patient("101")
    assert canonical_patient("train/00012") == "train/12"
    columns = {"split": ["train"], "source": ["x"]}
    one = build_table({"image": [f"/a/{MUELLER}"], "patient": ["00000100"], **columns})
    other = build_table({"image": [f"/b/{ON_A_MAC}"], "patient": ["100"], **columns})
    assert Manifest(one, "csv", "").split_sha256() == Manifest(other, "csv", "").split_sha256()

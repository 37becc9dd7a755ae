"""Lateral films and other views are left out with a count; unknown is told apart from wrong."""

from pathlib import Path

import pytest

from cxr_core.data.checks.run import run_checks
from cxr_core.data.manifest import Manifest
from cxr_core.data.sources.detect import read_sources
from cxr_core.data.sources.film_paths import find_patient, find_study, is_lateral_path
from cxr_core.data.sources.views import parse_stated_view
from tests.data.layouts import by_name, source_issues_by_code, touch, write


def read_views(folder: Path, header: str, *cells: str) -> Manifest:
    """A dataset of films 0.png, 1.png, … with these cells about their view."""
    touch(*(folder / f"{row}.png" for row in range(len(cells))))
    rows = [f"{row}.png,{row},{row % 2},{text}" for row, text in enumerate(cells)]
    write(folder / "films.csv", "\n".join([f"image,patient,mass,{header}", *rows, ""]))
    return read_sources([folder])


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        *[("PA", "PA"), ("AP SUPINE", "AP"), ("ANTERO-POSTERIOR", "AP"), ("PA ERECT", "PA")],
        *[("Lateral", "lateral"), ("LL", "lateral"), ("L", "lateral"), ("XTABLE LATERAL", "lateral")],
        *[("Frontal", "frontal"), ("COSTAL", "other"), ("EXCLUDE", "other"), ("LAO", "other")],
        *[("", None), ("unknown", None), ("sideways", "unknown"), ("PA and lateral", "unknown")],
    ],
)  # fmt: skip
def test_what_a_cell_states(text: str, stated: str | None) -> None:
    assert parse_stated_view(text) == stated


def test_lateral_films_are_left_out_and_counted(tmp_path: Path) -> None:
    manifest = read_views(tmp_path, "View", "PA", "Lateral", "L LAT", "AP PORTABLE")
    films = by_name(manifest)
    assert films["status"].tolist() == ["present", "left_out", "left_out", "present"]
    assert films["reason"].fillna("").tolist() == ["", "lateral_views", "lateral_views", ""]
    issues = {issue.code: issue for issue in run_checks(manifest)}
    assert issues["lateral_views"].count == 2
    assert issues["lateral_views"].message == "2 films of 4 are left out: lateral views."
    account = manifest.account_for_films()
    assert account is not None
    assert account.sentence == (
        "4 image files found: 2 used, 2 lateral views; 4 table rows: 2 used, 2 lateral views."
    )


def test_a_view_that_is_not_understood_is_unknown_and_used(tmp_path: Path) -> None:
    manifest = read_views(tmp_path, "View", "sideways", "")
    assert manifest.table["status"].eq("present").all()
    assert manifest.table["view"].isna().all()
    unknown = source_issues_by_code(manifest)["unknown_value"]
    assert unknown.message == "The view of 1 film was not understood: 'sideways'."


def test_two_columns_that_contradict_each_other(tmp_path: Path) -> None:
    manifest = read_views(
        tmp_path, "Frontal/Lateral,AP/PA", "Frontal,AP", "Frontal,LL", "Lateral,", "Lateral,PA", "Frontal,"
    )  # fmt: skip
    films = by_name(manifest)
    assert films["reason"].fillna("").tolist() == [
        "",
        "contradictory_views",
        "lateral_views",
        "contradictory_views",
        "",
    ]
    assert films["view"].fillna("").tolist() == ["AP", "", "", "", ""]


def test_pa_in_one_column_and_ap_in_another_is_unknown(tmp_path: Path) -> None:
    manifest = read_views(tmp_path, "Projection,ViewPosition_DICOM", "PA,ANTEROPOSTERIOR", "PA,")
    assert manifest.table["view"].fillna("").tolist() == ["", "PA"]
    assert "say PA and AP of 1 film" in source_issues_by_code(manifest)["unknown_value"].message


def test_left_out_films_ask_for_no_label(tmp_path: Path) -> None:
    touch(tmp_path / "a.png", tmp_path / "b.png")
    write(tmp_path / "films.csv", "image,view,label\na.png,PA,Mass\nb.png,LL,Toothache\n")
    assert "unknown_label" not in source_issues_by_code(read_sources([tmp_path]))
    write(tmp_path / "films.csv", "image,view,label\na.png,PA,Mass\nb.png,PA,Toothache\n")
    assert "unknown_label" in source_issues_by_code(read_sources([tmp_path]))


@pytest.mark.parametrize(
    ("path", "is_lateral"),
    [
        *[("train/patient1/view2_lateral.jpg", True), ("LATERAL/1.png", True), ("x_lat.png", True)],
        *[("view1_frontal.jpg", False), ("bilateral_pneumonia_1.png", False), ("plate.png", False)],
        *[("bi-lateral effusion.png", False), ("latin/1.png", False), ("collateral.png", False)],
    ],
)  # fmt: skip
def test_lateral_in_a_path(path: str, is_lateral: bool) -> None:
    assert is_lateral_path(path) is is_lateral


@pytest.mark.parametrize(
    ("path", "patient"),
    [
        ("train/patient00001/study1/view1_frontal.jpg", "patient00001"),
        ("files/p10/p10000032/s50414267/02aa804e-bde0afdd.jpg", "p10000032"),
        ("images/00000013_005.png", "00000013"),
        ("sub-0042/ses-1/chest.png", "sub-0042"),
        ("p10000032_s50414267_02aa804e.jpg", "p10000032"),
        ("person12_bacteria_47.jpeg", "person12"),
        ("p10/x.png", None),
        ("images/x.png", None),
    ],
)
def test_patients_in_paths(path: str, patient: str | None) -> None:
    found = find_patient(path)
    assert (found.number if found else None) == patient


def test_padchest_films_begin_with_their_study() -> None:
    name = "216840111366964012768025509942010049093904413_00-065-001.png"
    assert find_study(f"0/{name}") == "216840111366964012768025509942010049093904413"
    assert find_study("1_IM-0001-4001.dcm.png") is None

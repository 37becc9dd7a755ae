"""Tables with any text in any column that is known: read into a manifest that can be stored, or refused."""

import csv
import io
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxr_core.data.checks.run import run_checks
from cxr_core.data.manifest import Manifest
from cxr_core.data.sources.detect import read_sources
from cxr_core.errors import DataError
from tests.data.layouts import ENTRIES_HEADER, touch

pytestmark = pytest.mark.corpus

HEADINGS = (
    "image",
    "dicom_id",
    "Finding Labels",
    "class_name",
    "value",
    "Mass",
    "No Finding",
    "patient",
    "study",
    "split",
    "view",
    "Frontal/Lateral",
    "AP/PA",
    "age",
    "birth date",
    "study date",
    "sex",
    "x_min",
    "y_min",
    "x_max",
    "y_max",
    "rad_id",
    "Target",
)
NAMES = ("a.png", "b.png", "c.png", "d")
cells = st.sampled_from(
    [
        *NAMES,
        "A.PNG",
        "00012",
        "12.0",
        "1e400",
        "-1",
        "inf",
        "nan",
        "058Y",
        "1e9999Y",
        "2020-13-45",
        "99999999",
        "train",
        "Lateral",
        "Mass|Effusion",
        "['Mass'",
        "/",
        "..",
        "../..",
        "/dev/null",
        "\\\\",
        "=",
        "'",
        "x" * 5000,
    ]
) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cells")
    touch(*(folder / "images" / name for name in NAMES))
    return folder


def write_rows(path: Path, header: list[str], rows: list[list[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    path.write_text(text.getvalue(), encoding="utf-8", newline="")


def read_and_store(folder: Path) -> None:
    with suppress(DataError):
        manifest = read_sources([folder])
        account = manifest.account_for_films()  # raises when it does not add up
        assert account is None or account.sentence
        run_checks(manifest)
        manifest.save(folder / "kept" / ".manifest.parquet")
        again = Manifest.load(folder / "kept" / ".manifest.parquet")
        assert again.split_sha256() == manifest.split_sha256()


@given(
    st.lists(st.sampled_from(HEADINGS), unique=True, max_size=8),
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=6),
    st.data(),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_in_any_column(folder, headings, names, data) -> None:
    headings = [heading for heading in headings if heading != "image"]
    rows = [[name, *(data.draw(cells) for _ in headings)] for name in names]
    write_rows(folder / "labels.csv", ["image", *headings], rows)
    read_and_store(folder)


@given(st.lists(st.lists(cells, min_size=11, max_size=11), min_size=1, max_size=3))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_text_in_the_table_of_nih(tmp_path_factory, rows) -> None:
    folder = tmp_path_factory.getbasetemp() / "nih_cells"
    touch(folder / "images" / "00000001_000.png")
    header = ENTRIES_HEADER.split(",")
    first = ["00000001_000.png", "Mass", "0", "1", "57", "M", "PA", "1", "1", "1", "1"]
    width = len(header)
    write_rows(folder / "Data_Entry_2017.csv", header, [row[:width] for row in (first, *rows)])
    read_and_store(folder)

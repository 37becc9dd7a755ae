"""The account adds up for every layout, whatever is missing, added or repeated; and it reads as one sentence."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxr_core.data.account import (
    REASONS,
    Account,
    FilmAccount,
    SourceCounts,
    account_for_films,
    join_counts,
)
from cxr_core.data.manifest import Manifest
from cxr_core.data.sources.detect import read_sources
from cxr_core.errors import DataError, RecordError
from tests.data.collections.document import LAYOUTS

pytestmark = pytest.mark.corpus

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".dcm", ".dicom")
STRAY_NAMES = ("stray.png", "masks/x.png", "train/stray.jpg", "deep/er/lateral.png", "a_mask.png")


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Every layout's example, written once."""
    folders = []
    for number, layout in enumerate(LAYOUTS):
        folder = tmp_path_factory.mktemp(f"layout{number}")
        layout.build(folder)
        folders.append(folder)
    return folders


def list_images(folder: Path) -> list[Path]:
    paths = [Path(top) / name for top, _, names in os.walk(folder) for name in names]
    return sorted(path for path in paths if path.suffix in IMAGE_ENDINGS)


def repeat_rows(folder: Path, which: Sequence[int]) -> None:
    """Write some rows of the first table again, at its end."""
    tables = sorted(folder.glob("*.csv"))
    if tables:
        lines = tables[0].read_text(encoding="utf-8").splitlines()
        again = [lines[1 + row % (len(lines) - 1)] for row in which]
        tables[0].write_text("\n".join([*lines, *again, ""]), encoding="utf-8")


@given(st.data())
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_file_and_row_is_accounted_for(
    examples: list[Path], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("changed") / "data"
    shutil.copytree(data.draw(st.sampled_from(examples)), folder)
    for path in list_images(folder):
        if data.draw(st.integers(0, 3)) == 0:
            path.unlink()
    for name in data.draw(st.lists(st.sampled_from(STRAY_NAMES), unique=True)):
        stray = folder / name
        stray.parent.mkdir(parents=True, exist_ok=True)
        stray.write_bytes(b"")
    repeat_rows(folder, data.draw(st.lists(st.integers(0, 20), max_size=3)))
    try:
        manifest = read_sources([folder])
    except DataError:  # nothing is left that a table or a class names
        return
    account = manifest.account_for_films()
    assert account is not None
    on_disk = list_images(folder)
    assert account.files.found == len(on_disk)
    assert account.files.found == account.files.used + sum(account.files.left_out.values())
    usable = manifest.table[manifest.table["status"] == "present"]
    assert account.files.used == len(usable)
    assert set(usable["image"]) <= set(map(str, on_disk))
    if account.rows is not None:
        assert account.rows.found == account.rows.used + sum(account.rows.left_out.values())
        assert account.rows.used == account.files.used


def test_numbers_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValueError, match="5 were found, but 4 are accounted for"):
        Account(found=5, used=3, left_out={"masks": 1})
    with pytest.raises(ValueError, match="unknown reasons"):
        Account(found=5, used=4, left_out={"lost": 1})


def test_the_sentence_names_every_number() -> None:
    counts = SourceCounts(
        files=1156,
        unused_files={"masks": 1, "not_listed": 2},
        rows=1200,
        unused_rows={"joined": 30, "repeated": 0},
    )
    statuses = {"present": 1070, "lateral_views": 76, "unreadable": 7, "missing": 17}
    account = account_for_films(counts, statuses)
    assert account.sentence == (
        "1,156 image files found: 1,070 used, 76 lateral views, 1 mask, 2 in no table, 7 unreadable; 1,200 table rows: "
        "1,070 used, 76 lateral views, 7 unreadable, 17 of films that are missing, 30 joined with another row of their "
        "film."
    )
    assert account.to_json()["sentence"] == account.sentence


def test_one_of_each_is_written_in_the_singular() -> None:
    account = FilmAccount(files=Account(found=1, used=0, left_out={"lateral_views": 1}))
    assert account.sentence == "1 image file found: 0 used, 1 lateral view."


def test_every_reason_reads_behind_a_number() -> None:
    for reason in REASONS:
        account = FilmAccount(files=Account(found=1002, used=2, left_out={reason: 1000}))
        assert f"2 used, 1,000 {REASONS[reason]}." in account.sentence


def test_counts_survive_their_record() -> None:
    counts = SourceCounts(files=3, unused_files={"masks": 1}, rows=2, unused_rows={"joined": 1})
    assert SourceCounts.from_json(counts.to_json()) == counts
    with pytest.raises(RecordError, match="files: found"):
        SourceCounts.from_json({**counts.to_json(), "files": "three"})


def test_counts_of_folders_and_tables_have_no_rows_together() -> None:
    table = SourceCounts(files=3, rows=3, unused_rows={"joined": 1})
    classes = SourceCounts(files=2, unused_files={"masks": 1})
    both = join_counts([table, classes])
    assert (both.files, both.rows, dict(both.unused_files)) == (5, None, {"masks": 1})
    assert join_counts([table, table]).rows == 6


def test_a_manifest_keeps_its_counts_on_disk(examples: list[Path], tmp_path: Path) -> None:
    manifest = read_sources([examples[-1]])
    manifest.save(tmp_path / "manifest.parquet")
    again = Manifest.load(tmp_path / "manifest.parquet")
    assert again.account_for_films() == manifest.account_for_films() is not None

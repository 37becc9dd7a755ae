"""Every layout of a collection is read with the right films, patients, splits and labels, and its account adds up."""

import math
import os
from pathlib import Path

import pytest

from cxr_core.data.account import FilmAccount
from cxr_core.data.manifest import Manifest
from cxr_core.data.prepare import prepare_dataset
from cxr_core.data.sources.detect import read_sources
from tests.data.collections.document import DOCUMENT, LAYOUTS, render_document
from tests.data.collections.layout import Layout

pytestmark = pytest.mark.corpus

IMAGE_NAMES = (".png", ".jpg", ".jpeg", ".dcm", ".dicom")
each_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)


def count_image_files(folder: Path) -> int:
    return sum(name.endswith(IMAGE_NAMES) for _, _, names in os.walk(folder) for name in names)


def check_films(manifest: Manifest, layout: Layout, folder: Path) -> None:
    films = manifest.select_usable().table
    paths = films["image"].str.removeprefix(f"{folder}/")
    assert set(paths) == set(layout.films)
    for path, film in zip(paths, films.to_dict("records"), strict=True):
        expected = layout.films[path]
        assert film["patient"] == expected.patient, path
        for column in ("split", "view"):
            found = film[column] if isinstance(film[column], str) else None
            assert found == getattr(expected, column), (path, column)
        for key in manifest.findings:
            label = expected.labels.get(key, math.nan)
            assert film[key] == label or math.isnan(film[key]) is math.isnan(label) is True, (
                path,
                key,
            )
        assert set(expected.labels) <= set(manifest.findings)


def check_account(account: FilmAccount | None, layout: Layout, folder: Path) -> None:
    assert account is not None
    files = account.files
    assert files.found == layout.files == count_image_files(folder)
    assert files.used == len(layout.films)
    assert {reason: count for reason, count in files.left_out.items() if count} == layout.left_out
    assert files.found == files.used + sum(files.left_out.values())
    if account.rows is None:
        assert layout.rows is None
        return
    rows = account.rows
    assert rows.found == layout.rows
    assert rows.used == len(layout.films)
    assert {reason: count for reason, count in rows.left_out.items() if count} == layout.unused_rows
    assert rows.found == rows.used + sum(rows.left_out.values())


@each_layout
def test_layout_is_read_with_its_films_and_account(layout: Layout, tmp_path: Path) -> None:
    layout.build(tmp_path)
    manifest = read_sources([tmp_path])
    assert manifest.kind == layout.kind
    check_films(manifest, layout, tmp_path)
    check_account(manifest.account_for_films(), layout, tmp_path)
    assert {issue.code for issue in manifest.source_issues} == layout.issues


@pytest.mark.process
@pytest.mark.usefixtures("workspace")
@each_layout
def test_layout_prepares_to_the_same_films(layout: Layout, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    layout.build(folder)
    manifest = prepare_dataset([folder]).load_manifest()
    check_films(manifest, layout, folder)
    check_account(manifest.account_for_films(), layout, folder)


def test_document_has_the_table_of_layouts() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == render_document(text)

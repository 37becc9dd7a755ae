"""A pixel cache with a damaged file: readers get a sentence with its name, and the next build makes it anew."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_core.data.cache.pixel_cache import PixelCache
from cxr_core.errors import DataError
from cxr_core.film.preprocess import InputSpec

SPEC = InputSpec(side=32, channels=1)


@pytest.fixture
def films(tmp_path: Path) -> list[Path]:
    paths = []
    for seed in range(3):
        pixels = np.random.default_rng(seed).integers(0, 256, (40, 40)).astype(np.uint8)
        paths.append(tmp_path / f"film-{seed}.png")
        cv2.imwrite(str(paths[-1]), pixels)
    return paths


@pytest.fixture
def folder(tmp_path: Path, films: list[Path]) -> Path:
    """The folder of a cache that holds these films."""
    cache = PixelCache(SPEC, tmp_path / "cache")
    cache.build(films)
    return cache.folder


def read_all(folder: Path, films: list[Path]) -> np.ndarray:
    cache = PixelCache(SPEC, folder.parent)
    return cache.open_grids()[cache.find_rows(films)]


def put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def drop_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TABLE films")


def write_words(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE films SET row = 'words', width = 'words'")


def write_huge_rows(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE films SET row = row + 4611686018427387904")


DAMAGES: dict[str, Callable[[Path], None]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b"") and None,
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]) and None,
    "garbage": lambda path: path.write_bytes(b"\x93garbage" * 9) and None,
    "folder": put_folder,
    "endless link": link_to_itself,
    "without a table": drop_table,
    "words for numbers": write_words,
    "huge rows": write_huge_rows,
}
OF_SQLITE = ("without a table", "words for numbers", "huge rows")
CASES = [
    (name, damage)
    for name in ("grids.u8", "index.sqlite", "geometry.json")
    for damage in DAMAGES
    if name == "index.sqlite" or damage not in OF_SQLITE
]


@pytest.mark.parametrize(("name", "damage"), CASES)
def test_damage_is_said_with_the_files_name_and_mended_by_the_next_build(
    folder: Path, films: list[Path], name: str, damage: str
) -> None:
    before = read_all(folder, films)
    DAMAGES[damage](folder / name)
    if name == "geometry.json":  # no reader needs it
        np.testing.assert_array_equal(read_all(folder, films), before)
    else:
        with pytest.raises(DataError, match=r"[Pp]repare the dataset again") as error:
            read_all(folder, films)
        assert str(folder / name) in str(error.value) or str(films[0]) in str(error.value)
    PixelCache(SPEC, folder.parent).build(films)
    np.testing.assert_array_equal(read_all(folder, films), before)


def test_a_sound_cache_is_not_decoded_again(folder: Path, films: list[Path]) -> None:
    before = (folder / "grids.u8").stat().st_ino, (folder / "index.sqlite").stat().st_ino
    PixelCache(SPEC, folder.parent).build(films)
    assert ((folder / "grids.u8").stat().st_ino, (folder / "index.sqlite").stat().st_ino) == before

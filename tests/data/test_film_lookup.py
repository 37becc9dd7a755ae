"""Films of an evaluation are found by their contents, whatever they are called now, and never taken for others."""

from pathlib import Path

import pandas as pd
import pytest

from cxr_core.data import registry
from cxr_core.data.film_lookup import find_films, match_rows
from cxr_core.data.manifest import Manifest, build_table
from tests.pages.fake_datasets import register


def manifest(**columns: object) -> Manifest:
    """Five films of three patients; a.png is in two folders, of two patients."""
    facts = {
        "image": ["/one/a.png", "/one/b.png", "/two/a.png", "/two/c.png", "/two/d.png"],
        "patient": ["1", "1", "2", "3", "3"],
        "split": ["train", "train", "test", "test", "train"],
        "source": "here",
        "sha256": ["aa", "bb", "cc", "dd", "dd"],
    }
    return Manifest(build_table(facts | columns), "csv", "")


def evaluated_films(**columns: object) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_films_without_hash_are_matched_by_name_and_patient() -> None:
    films = evaluated_films(
        image=["a.png", "a.png", "a.png", "e.png"], patient=["2", "1", "3", "1"]
    )
    assert match_rows(films, manifest(), "test").tolist() == [2, 0, -1, -1]
    films["sha256"] = None
    assert match_rows(films, manifest(), "test").tolist() == [2, 0, -1, -1]
    films["sha256"] = ["x", "y", "z", "z"]
    assert match_rows(films, manifest(sha256=None), "test").tolist() == [2, 0, -1, -1]


def test_renamed_film_or_patient_is_matched_by_contents() -> None:
    films = evaluated_films(image=["a.png", "other.png"], patient=["2", "p-1"], sha256=["cc", "bb"])
    assert match_rows(films, manifest(), "test").tolist() == [2, 1]


def test_another_image_of_the_same_name_is_not_the_film() -> None:
    films = evaluated_films(image=["a.png", "b.png"], patient=["2", "1"], sha256=["cc", "changed"])
    assert match_rows(films, manifest(), "test").tolist() == [2, -1]


def test_same_contents_are_matched_by_name_then_split() -> None:
    films = evaluated_films(
        image=["d.png", "c.png", "gone.png"], patient=["3", "3", "3"], sha256=["dd"] * 3
    )
    assert match_rows(films, manifest(), "test").tolist() == [4, 3, 3]
    both = manifest(split=["train", "train", "test", "test", "test"])
    assert match_rows(films, both, "test").tolist() == [4, 3, -1]  # two could be


def test_datasets_are_searched_in_turn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CXR_WORKSPACE", str(tmp_path / "workspace"))
    assert find_films(evaluated_films(image=["film-1.png"], patient=["1"]), "test", []) is None
    dataset = register(monkeypatch, tmp_path / "films")
    table = registry.find_dataset(dataset.name).load_manifest().table
    films = evaluated_films(
        image=["renamed.png", "nowhere.png"],
        patient=["x", "x"],
        sha256=[table["sha256"][3], "f" * 64],
    )
    found = find_films(films, "test", [tmp_path / "elsewhere"])
    assert found is not None
    assert (found.dataset.name, found.rows.tolist(), found.count) == (dataset.name, [3, -1], 1)
    assert find_films(films.iloc[1:], "test", dataset.folders) is None

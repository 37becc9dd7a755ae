"""Copies in another size, container, cut or brightness are found; different films, also of one patient, are not."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_core.data.checks.near_duplicates import check_near_duplicates, number_groups
from cxr_core.data.manifest import Manifest, build_table
from cxr_core.data.near_duplicates.search import (
    NearDuplicates,
    find_near_duplicates,
    find_pairs,
    load_near_duplicates,
)
from cxr_core.data.near_duplicates.similarity import compare_pixels, remove_padding
from cxr_core.data.prepare import record_decision
from cxr_core.data.registry import THUMBNAIL
from cxr_core.film.preprocess import Placement
from tests.pages.fake_datasets import register

Edit = Callable[[np.ndarray], np.ndarray]


def compress(film: np.ndarray, quality: int) -> np.ndarray:
    _, data = cv2.imencode(".jpg", film, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)


def cut(film: np.ndarray, left: float, top: float, right: float, bottom: float) -> np.ndarray:
    height, width = film.shape
    rows = slice(round(top * height), height - round(bottom * height))
    return film[rows, round(left * width) : width - round(right * width)]


def shrink(film: np.ndarray, factor: float) -> np.ndarray:
    return cv2.resize(film, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def brighten(film: np.ndarray, gamma: float) -> np.ndarray:
    return np.rint(255 * (film / 255) ** gamma).astype(np.uint8)


EDITS: dict[str, Edit] = {
    "compressed": lambda film: compress(film, 50),
    "resized": lambda film: shrink(film, 0.5),
    "cut on every side": lambda film: cut(film, 0.03, 0.03, 0.03, 0.03),
    "cut on one side": lambda film: cut(film, 0.0, 0.0, 0.0, 0.05),
    "brightened": lambda film: brighten(film, 0.8),
    "all at once": lambda film: compress(
        shrink(brighten(cut(film, 0.02, 0.02, 0.02, 0.02), 0.85), 0.7), 70
    ),
}


def to_thumbnail(film: np.ndarray) -> np.ndarray:
    """A film as the cache holds it, without its padding."""
    top, left, bottom, right = Placement.fit(film.shape, THUMBNAIL).input_box
    size = (right - left, bottom - top)
    return cv2.resize(film, size, interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="module")
def real_films(real_data: Path) -> tuple[list[np.ndarray], list[str]]:
    """400 films of 256 px, of some patients several, and their patients."""
    paths = sorted((real_data / "nih_boxes_256").rglob("*.png"))[:400]
    films = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in paths]
    return films, [path.name[:8] for path in paths]


def test_edited_films_are_found_and_no_others(
    real_films: tuple[list[np.ndarray], list[str]],
) -> None:
    films, patients = real_films
    assert len(set(patients)) < len(patients), "some patients must have several films"
    thumbnails, owners = [to_thumbnail(film) for film in films], list(patients)
    origins = list(range(len(films)))
    for number in range(0, len(films), 10):
        for name, edit in EDITS.items():
            thumbnails.append(to_thumbnail(edit(films[number])))
            owners.append(f"copy {name}")
            origins.append(number)
    pairs = find_pairs(thumbnails.__getitem__, owners, lambda done, total: None)
    assert all(origins[first] == origins[second] for first, second in pairs), "a wrong pair"
    found = {second for first, second in pairs if first == origins[second]}
    copies = len(thumbnails) - len(films)
    assert len(found) >= 0.98 * copies


def test_two_films_of_one_patient_need_the_same_exposure() -> None:
    rng = np.random.default_rng(0)
    film = cv2.GaussianBlur(rng.uniform(0, 255, (128, 128)), (0, 0), 2)
    film = cv2.normalize(film, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    other = cv2.normalize(rng.uniform(0, 255, (128, 128)), None, 0, 255, cv2.NORM_MINMAX)
    mixed = np.rint(0.8 * film + 0.2 * other).astype(np.uint8)
    detail = compare_pixels(film, mixed)
    assert 0.88 < detail < 0.965, "between the two limits"
    take = [film, mixed].__getitem__
    assert find_pairs(take, ["1", "2"], lambda done, total: None) == [(0, 1)]
    assert find_pairs(take, ["1", "1"], lambda done, total: None) == []


@pytest.mark.parametrize("value", [0, 90, 255])
def test_even_films_resemble_nothing(value: int) -> None:
    film = np.full((128, 100), value, np.uint8)
    assert find_pairs(lambda position: film, ["1", "2", "3"], lambda done, total: None) == []


def test_padding_is_no_part_of_a_film() -> None:
    grid = np.arange(128 * 128).reshape(128, 128).astype(np.uint8)
    assert remove_padding(grid, (50, 100), THUMBNAIL).shape == (64, 128)
    assert remove_padding(grid, (3000, 3000), THUMBNAIL).shape == (128, 128)


def manifest_of(**columns: object) -> Manifest:
    facts = {
        "image": [f"/films/{name}.png" for name in "abcdef"],
        "patient": ["1", "1", "2", "3", "4", "5"],
        "split": ["train", "test", "train", "train", "train", "val"],
        "source": "here",
        "sha256": list("abcdef"),
        "width": 100,
        "height": 100,
    }
    return Manifest(build_table(facts | columns), "csv", "")


@pytest.mark.parametrize(
    ("groups", "columns", "code", "excluded"),
    [
        (("ab",), {}, "near_duplicates_two_splits", "a"),
        (("abf", "cd"), {}, "near_duplicates_two_splits", "af"),
        (("cd",), {}, "near_duplicates_two_patients", "d"),
        (("ab",), {"split": None}, "near_duplicates", "b"),
        (("cd",), {"split": "test"}, "near_duplicates_two_patients", ""),
    ],
)
def test_groups_are_reported_by_what_they_endanger(
    groups: tuple[str, ...], columns: dict[str, object], code: str, excluded: str
) -> None:
    found = NearDuplicates(films="", groups=tuple(map(tuple, groups)))
    issues = {issue.code: issue for issue in check_near_duplicates(manifest_of(**columns), found)}
    issue = issues[code]
    assert "".join(Path(image).stem for image in issue.images) == excluded
    assert "≈" in issue.examples[0]


def test_a_group_needs_two_pictures_that_are_still_used() -> None:
    found = NearDuplicates(films="", groups=(("a", "b"), ("d", "e")))
    manifest = manifest_of(sha256=list("aabdef"), status=["present"] * 3 + ["excluded"] * 3)
    (issue,) = check_near_duplicates(manifest, found)
    assert (issue.code, issue.count) == ("near_duplicates_two_splits", 3)
    assert list(check_near_duplicates(manifest_of(sha256=list("aaxyzw")), found)) == []
    # Excluded films are still shown beside those that are kept.
    shown = number_groups(manifest, found, "near_duplicates_two_patients")
    assert shown["name"].tolist() == ["d.png", "e.png"]


@pytest.mark.usefixtures("workspace")
def test_a_preparation_reports_copies_and_keeps_their_groups(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "films"
    dataset = register(monkeypatch, folder)
    assert load_near_duplicates(dataset.folder) is not None
    assert not [i for i in dataset.load_issues() if i.code.startswith("near_duplicates")]
    # The first film is of train, the fourth of test.
    film = cv2.imread(str(folder / "film-0.png"), cv2.IMREAD_GRAYSCALE)
    monkeypatch.setattr("tests.pages.fake_datasets.write_films", lambda folder: paths)
    paths = sorted(folder.glob("*.png"))
    cv2.imwrite(str(folder / "film-3.png"), cv2.resize(film, None, fx=2, fy=2))
    again = register(monkeypatch, folder)
    (issue,) = [i for i in again.open_blocking_issues() if "near" in i.code]
    assert [Path(image).name for image in issue.images] == ["film-0.png"]
    decided = record_decision(again, issue.code, "exclude")
    assert not decided.open_blocking_issues()
    found = load_near_duplicates(decided.folder)
    assert found is not None
    assert len(found.groups) == 1


@pytest.mark.usefixtures("workspace")
def test_the_same_films_are_not_searched_twice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dataset = register(monkeypatch, tmp_path / "films")
    manifest = dataset.load_manifest()
    former = load_near_duplicates(dataset.folder)

    def refuse(done: int, total: int) -> None:
        raise AssertionError("it searched again")

    assert find_near_duplicates(manifest, former, refuse) == former
    moved = manifest.table.assign(image=[f"/new/{n}.png" for n in range(len(manifest.table))])
    shuffled = manifest.with_table(moved.sample(frac=1.0, random_state=0))
    assert find_near_duplicates(shuffled, former, refuse) == former
    other = manifest.with_table(manifest.table.assign(patient="1"))
    with pytest.raises(AssertionError, match="searched again"):
        find_near_duplicates(other, former, refuse)

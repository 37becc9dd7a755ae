"""Masks beside films: swapped ones are found, in any orientation of the film, and reported by the dataset checks."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_core.data.prepare import open_data, prepare_dataset
from cxr_core.data.sources.masks import (
    find_swapped_masks,
    load_mask,
    load_masks,
    masks_are_swapped,
)
from cxr_core.errors import DataError
from cxr_core.film.phantom.phantom import PhantomSpec, compute_truth, draw_phantom
from cxr_core.film.preprocess import InputSpec
from cxr_core.findings import STRUCTURES


def masks_of(spec: PhantomSpec) -> dict[str, np.ndarray]:
    return {name: getattr(compute_truth(spec), name) for name in STRUCTURES}


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("heart", [0.25, 0.45])
def test_phantom_masks_are_not_swapped(heart, mirrored):
    spec = PhantomSpec(height=128, width=128, heart_width=heart, mirrored=mirrored)
    assert not masks_are_swapped(list(masks_of(spec).values()))


@pytest.mark.parametrize("other", ["left_lung", "right_lung"])
def test_heart_outside_the_lungs_is_swapped(other):
    masks = masks_of(PhantomSpec(height=128, width=128))
    masks["heart"], masks[other] = masks[other], masks["heart"]
    assert masks_are_swapped(list(masks.values()))


def test_an_empty_mask_says_nothing():
    masks = masks_of(PhantomSpec(height=128, width=128))
    assert not masks_are_swapped(
        [masks["left_lung"], np.zeros_like(masks["heart"]), masks["right_lung"]]
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four synthetic chests; the second has heart and left lung swapped, the third lacks a mask."""
    for name in ("images", *(f"masks/{structure}" for structure in STRUCTURES)):
        (tmp_path / "data" / name).mkdir(parents=True)
    for index in range(4):
        spec = PhantomSpec(height=96, width=96, seed=index)
        write(tmp_path / "data" / "images" / f"{index}.png", draw_phantom(spec).pixels)
        masks = masks_of(spec)
        if index == 1:
            masks["heart"], masks["left_lung"] = masks["left_lung"], masks["heart"]
        for structure, mask in masks.items():
            write(tmp_path / "data" / "masks" / structure / f"{index}.png", mask)
    (tmp_path / "data/masks/heart/2.png").unlink()
    (tmp_path / "data/films.csv").write_text(
        "image\n" + "".join(f"{index}.png\n" for index in range(4))
    )
    return tmp_path / "data"


def write(path: Path, values: np.ndarray) -> None:
    cv2.imwrite(str(path), np.rint(values.astype(np.float32) * 255).astype(np.uint8))


def test_swapped_masks_are_reported_and_can_be_excluded(folder, workspace):
    dataset = prepare_dataset([folder])
    (issue,) = (issue for issue in dataset.load_issues() if issue.code == "swapped_masks")
    assert (issue.count, issue.examples, issue.severity) == (1, ("1.png",), "warning")
    assert find_swapped_masks(open_data([folder])).tolist() == [False, True, False, False]
    assert (
        len(
            prepare_dataset([folder], decisions=[("swapped_masks", "exclude")])
            .load_manifest()
            .select_usable()
            .table
        )
        == 3
    )


def test_no_films_give_no_mask_issue(folder, workspace):
    """Tables are examined before their films arrive."""
    for film in (folder / "images").iterdir():
        film.unlink()
    assert "swapped_masks" not in {issue.code for issue in prepare_dataset([folder]).load_issues()}


@pytest.mark.parametrize("value", [1, 2, 128, 255])
def test_a_mask_may_hold_any_value_for_the_structure(tmp_path, value):
    mask = np.zeros((8, 8), np.uint8)
    mask[2:5, 3:6] = value
    (tmp_path / "masks" / "heart").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "masks" / "heart" / "a.png"), mask)
    loaded = load_mask(tmp_path / "images" / "a.png", "heart")
    np.testing.assert_array_equal(loaded, mask > 0)


def test_a_mask_that_is_no_file_is_named(folder):
    for kind in ("pipe", "device"):
        mask = folder / "masks/heart/3.png"
        mask.unlink()
        os.mkfifo(mask) if kind == "pipe" else mask.symlink_to("/dev/zero")
        with pytest.raises(DataError, match=rf"3\.png cannot be read .it is a {kind}, not a file"):
            load_mask(folder / "images/3.png", "heart")


def test_an_empty_mask_is_named_by_its_film(folder):
    films = open_data([folder])
    film = films.paths[0]
    cv2.imwrite(str(folder / "masks" / "heart" / film.name), np.zeros((96, 96), np.uint8))
    with pytest.raises(DataError, match=rf"the mask of the heart of {film.name} is empty"):
        load_masks(films, InputSpec(side=32), ["heart"])

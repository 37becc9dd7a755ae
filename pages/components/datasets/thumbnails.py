"""Films of a dataset as small pictures for a gallery: thumbnail, name, labels, facts and boxes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cxr_core.data.registry import THUMBNAIL, Dataset
from cxr_core.film.preprocess import Placement
from cxr_core.findings import FINDINGS
from pages.components.datasets.contents import Films
from pages.components.gallery import Box, Picture, as_jpeg

NOTHING = "nothing known"


def pictures_of(
    dataset: Dataset, films: Films, rows: np.ndarray, lines: Sequence[tuple[str, ...]] | None = None
) -> list[Picture]:
    """Films as small pictures with their boxes. lines: what stands below each; None for its labels and facts."""
    table = films.manifest.table.iloc[rows]
    decoded = table["status"].isin(["present", "excluded"]).to_numpy()
    thumbnails = np.zeros((len(rows), THUMBNAIL.side, THUMBNAIL.side), np.uint8)
    if decoded.any():
        thumbnails[decoded] = dataset.thumbnails([str(image) for image in table["image"][decoded]])
    return [
        _picture(
            films,
            row,
            facts,
            grey,
            lines[place] if lines else (labels_of(films, row), facts_of(facts)),
        )
        for place, (row, facts, grey) in enumerate(
            zip(rows, table.to_dict("records"), thumbnails, strict=True)
        )
    ]


def _picture(
    films: Films, row: int, facts: Mapping[str, Any], grey: np.ndarray, lines: tuple[str, ...]
) -> Picture:
    image = str(facts["image"])
    seen = bool(grey.any())
    boxes = boxes_of(films, image)
    size = (facts["height"], facts["width"])
    if seen and all(isinstance(side, float) and side > 0 for side in size):
        boxes = tuple(_on_thumbnail(box, (round(size[0]), round(size[1]))) for box in boxes)
    status = str(facts["status"])
    return Picture(
        name=image.rsplit("/", 1)[-1],
        jpeg=as_jpeg(grey) if seen else "",
        lines=lines,
        boxes=boxes if seen else (),
        note="" if seen else status if status != "present" else "no picture",
    )


def boxes_of(films: Films, image: str) -> tuple[Box, ...]:
    """The boxes of a film, in fractions of it."""
    places = films.boxes_of.get(image)
    if places is None:
        return ()
    return tuple(
        Box(
            label=finding_label(box.finding),
            left=box.left,
            top=box.top,
            width=box.width,
            height=box.height,
        )
        for box in films.manifest.boxes.iloc[places].itertuples(index=False)
    )


def labels_of(films: Films, row: int) -> str:
    """The findings that a film is labelled with, in words."""
    if not films.index.findings:
        return "no labels"
    labels = films.index.labels[row]
    positive = [
        finding_label(key)
        for key, label in zip(films.index.findings, labels, strict=True)
        if label == 1
    ]
    if positive:
        return ", ".join(positive)
    return "labels unknown" if (labels == -1).all() else "none of the findings"


def facts_of(facts: Mapping[str, Any]) -> str:
    """Part, view, age and sex of a film, as far as they are known."""
    age = facts["age"]
    years = f"{age:g} y" if isinstance(age, float) and age == age else None
    known = (facts["split"], facts["view"], years, facts["sex"])
    return " · ".join(str(each) for each in known if isinstance(each, str)) or NOTHING


def _on_thumbnail(box: Box, shape: tuple[int, int]) -> Box:
    """A box in fractions of the film as one in fractions of its padded square."""
    top, left, bottom, right = (
        side / THUMBNAIL.side for side in Placement.fit(shape, THUMBNAIL).input_box
    )
    across, down = right - left, bottom - top
    return Box(
        label=box.label,
        left=left + box.left * across,
        top=top + box.top * down,
        width=box.width * across,
        height=box.height * down,
    )


def finding_label(finding: str) -> str:
    return FINDINGS[finding].name if finding in FINDINGS else finding

"""Makes thumbnails of a dataset's films for a gallery, with name, labels, facts and boxes."""

from collections.abc import Iterable, Sequence

import numpy as np

from cxr_core.data.account import LEFT_OUT, USED
from cxr_core.data.registry import THUMBNAIL, Dataset
from cxr_core.film.preprocess import Placement
from cxr_core.presentation.wording import finding_name
from pages.components.datasets.contents import FilmCollection, FilmFacts
from pages.components.gallery import Box, Picture, encode_jpeg

# Films that a table leaves out are not decoded; they are shown black, as missing ones are.
DECODED_STATUSES = (USED, "excluded", LEFT_OUT)


def make_thumbnails(
    dataset: Dataset,
    films: FilmCollection,
    rows: np.ndarray,
    lines: Sequence[tuple[str, ...]] | None = None,
) -> list[Picture]:
    """Thumbnails with boxes. lines: the text below each; None for its labels and facts."""
    table = films.manifest.table.iloc[rows]
    is_decoded = table["status"].isin(DECODED_STATUSES).to_numpy()
    pixels = np.zeros((len(rows), THUMBNAIL.side, THUMBNAIL.side), np.uint8)
    if is_decoded.any():
        images = [str(image) for image in table["image"][is_decoded]]
        pixels[is_decoded] = dataset.load_thumbnails(images)
    pictures = []
    for position, row in enumerate(rows):
        film = films.facts_of(int(row))
        text = lines[position] if lines else describe_film_lines(films, int(row), film)
        pictures.append(_make_thumbnail(films, film, pixels[position], text))
    return pictures


def describe_film_lines(films: FilmCollection, row: int, film: FilmFacts) -> tuple[str, ...]:
    """The text below a thumbnail: labels, then patient facts."""
    patient = describe_patient(film.split, film.view, film.age, film.sex)
    return describe_labels(films, row), patient or "nothing known"


def describe_labels(films: FilmCollection, row: int) -> str:
    """The findings that a film is labelled with, in words."""
    if not films.index.findings:
        return "no labels"
    labels = films.index.labels[row]
    positive = [
        finding_name(finding)
        for finding, label in zip(films.index.findings, labels, strict=True)
        if label == 1
    ]
    if positive:
        return ", ".join(positive)
    if (labels == -1).all():
        return "labels unknown"
    return "none of the findings"


def describe_patient(
    split: str | None, view: str | None, age: float | None, sex: str | None
) -> str:
    """Split, view, age and sex of a film, as far as they are known; empty when none is."""
    years = None if age is None else f"{age:g} y"
    return " · ".join(filter(None, (split, view, years, sex)))


def find_boxes(films: FilmCollection, image: str) -> tuple[Box, ...]:
    """The boxes of a film, in fractions of it."""
    rows: Iterable[int] | None = films.box_rows.get(image)
    if rows is None:
        return ()
    return tuple(
        Box(
            label=finding_name(box.finding),
            left=box.left,
            top=box.top,
            width=box.width,
            height=box.height,
        )
        for box in films.manifest.boxes.iloc[rows].itertuples(index=False)
    )


def _make_thumbnail(
    films: FilmCollection, film: FilmFacts, grey: np.ndarray, lines: tuple[str, ...]
) -> Picture:
    name = film.image.rsplit("/", 1)[-1]
    if not grey.any():
        note = "no picture" if film.status == "present" else film.status
        return Picture(name=name, jpeg="", lines=lines, note=note)
    boxes = find_boxes(films, film.image)
    if film.height and film.width:
        shape = (round(film.height), round(film.width))
        boxes = tuple(_place_on_thumbnail(box, shape) for box in boxes)
    return Picture(name=name, jpeg=encode_jpeg(grey), lines=lines, boxes=boxes)


def _place_on_thumbnail(box: Box, shape: tuple[int, int]) -> Box:
    """A box in fractions of the film as one in fractions of its padded square. shape: (H, W) of the film."""
    placed = Placement.fit(shape, THUMBNAIL).input_box
    top, left, bottom, right = (side / THUMBNAIL.side for side in placed)
    across, down = right - left, bottom - top
    return Box(
        label=box.label,
        left=left + box.left * across,
        top=top + box.top * down,
        width=box.width * across,
        height=box.height * down,
    )

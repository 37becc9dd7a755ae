"""Puts radiologists' labels of the RSNA challenge in the place of labels that were mined from NIH's reports.

The challenge took its films from NIH ChestX-ray14. The table has a row per film: `Image Index`, `RSNA class`, and
`Boxes` of opacities, "x y width height" in pixels of a film of 1024 x 1024, several separated by ";" or "|".
Source: Shih et al. 2019, doi:10.1148/ryai.2019180041.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cxr_core.data.account import ReplacedLabels, SourceCounts, join_counts
from cxr_core.data.checks.issue import Issue
from cxr_core.data.identifiers import find_spellings, normalise_stem
from cxr_core.data.manifest import BOX_COLUMNS, Manifest, build_table, empty_boxes
from cxr_core.data.sources.csv_tables import (
    LabelTable,
    count_repeats,
    keep_first_rows,
    normalise_heading,
    read_header,
    read_table,
)
from cxr_core.data.sources.files import FileListing, film_issue
from cxr_core.data.sources.film_tables.rsna import BOX_FRAME, CLASS_LABELS, CLASSES, PNEUMONIA
from cxr_core.errors import DataError
from cxr_core.presentation.wording import format_count

HEADINGS = frozenset({"imageindex", "rsnaclass"})
BOX_SEPARATOR = re.compile(r"[;|]")
TERMS = (
    "RSNA Pneumonia Detection Challenge 2018: academic research, education and other purposes, commercial or not, with "
    "attribution to Shih et al., Radiology: Artificial Intelligence 2019 (doi:10.1148/ryai.2019180041)."
)


@dataclass(frozen=True, eq=False)
class _LabelledFilms:
    """What the table says of films in the manifest.

    films: a row per film: image, its class in lower case, and the text of its boxes.  unused_rows: by reason.
    """

    table: LabelTable
    films: pd.DataFrame
    unused_rows: Counter[str]
    issues: list[Issue]


def find_radiologist_labels(listings: Sequence[FileListing]) -> str | None:
    """The first table of radiologists' labels of NIH films below some folders. A table without a header is none."""
    for listing in listings:
        for path in listing.match_names("*.csv"):
            try:
                header = read_header(path)
            except DataError:  # NIH's folder may hold files that are none of its tables
                continue
            if set(map(normalise_heading, header)) >= HEADINGS:
                return path
    return None


def replace_mined_labels(manifest: Manifest, path: str) -> Manifest:
    """The same films with pneumonia and abnormal film as radiologists label them; unknown for films without a row.

    path: the table.  The boxes of pneumonia are then the radiologists' as well.
    Raises DataError when the table names none of the films, or has a class or a box that cannot be read.
    """
    labelled = _match_films(manifest, read_table(path))
    classes = labelled.films.set_index("image")["class"]
    mined = manifest.table[PNEUMONIA]
    columns: dict[str, object] = dict(manifest.table.items())
    for finding, meaning in CLASS_LABELS.items():
        labels = pd.to_numeric(classes.map(meaning), errors="coerce")
        columns[finding] = manifest.table["image"].map(labels).astype(np.float32)
    table = build_table(columns)
    replaced = _count_replaced(manifest.table["status"] == "present", mined, table[PNEUMONIA])
    note = _report_replaced(labelled, replaced, table)
    others = manifest.boxes[manifest.boxes["finding"] != PNEUMONIA]
    boxes = _read_boxes(labelled)
    counts = SourceCounts(
        files=0,
        rows=len(labelled.table.frame),
        unused_rows=labelled.unused_rows,
        replaced_labels=(replaced,),
    )
    return replace(
        manifest,
        table=table,
        terms=f"{manifest.terms} {TERMS}",
        boxes=pd.concat([others, boxes], ignore_index=True) if len(boxes) else others,
        source_issues=(*manifest.source_issues, *labelled.issues, note),
        counts=join_counts([manifest.counts, counts]) if manifest.counts else None,
    )


def _match_films(manifest: Manifest, table: LabelTable) -> _LabelledFilms:
    names, classes = table.require_columns("Image Index", "RSNA class")
    classes = classes.str.lower()
    unknown = classes[~classes.isin(CLASSES)]
    if len(unknown):
        raise DataError(
            f"{table.path}: row {unknown.index[0] + 1} has the RSNA class {unknown.iloc[0]!r}; expected Lung Opacity, "
            "No Lung Opacity / Not Normal, Normal, or nothing. Correct the table"
        )
    images = dict(zip(manifest.names, manifest.table["image"], strict=True))
    spellings = find_spellings(set(names) - images.keys(), images, normalise_stem)
    image = names.map({**images, **{name: images[known] for name, known in spellings.items()}})
    listed = image.notna()
    if not listed.any():
        raise DataError(
            f"{table.path} names none of the {format_count(len(images), 'films')} of NIH's table; its first row says "
            f"{names.iloc[0]!r}. Names are those of NIH's release, such as 00000001_000.png"
        )
    boxes = [column for column in table.frame if normalise_heading(column).startswith("boxes")]
    text = table.frame[boxes[0]] if boxes else pd.Series("", names.index, dtype="str")
    rows = pd.DataFrame({"image": image, "class": classes, "boxes": text})[listed]
    films, row_issues = keep_first_rows(rows, table.name)
    unused = Counter(count_repeats(row_issues, rows["image"]))
    unused["missing"] += int((~listed).sum())
    unused["joined"] += len(films)
    return _LabelledFilms(table, films, unused, [*table.issues, *row_issues])


def _count_replaced(present: pd.Series, mined: pd.Series, labels: pd.Series) -> ReplacedLabels:
    """Counts of films that are there."""
    both = present & mined.notna() & labels.notna()
    return ReplacedLabels(
        finding=PNEUMONIA,
        replaced=int(both.sum()),
        differing=int((both & (mined != labels)).sum()),
        dropped=int((present & mined.notna() & labels.isna()).sum()),
    )


def _report_replaced(
    labelled: _LabelledFilms, replaced: ReplacedLabels, table: pd.DataFrame
) -> Issue:
    name = labelled.table.name
    message = f"{name}, labels by radiologists: {replaced.sentence}"
    read = labelled.films["image"][labelled.films["class"] != ""]
    present = set(table.loc[table["status"] == "present", "image"])
    return film_issue("radiologists_labels", message, [each for each in read if each in present])


def _read_boxes(labelled: _LabelledFilms) -> pd.DataFrame:
    """The boxes of opacities, in fractions of the film. Raises DataError for a box that cannot be read."""
    rows = []
    for row, film in labelled.films[labelled.films["boxes"] != ""].iterrows():
        for text in BOX_SEPARATOR.split(film["boxes"]):
            box = _parse_box(text)
            if box is None or CLASS_LABELS[PNEUMONIA][film["class"]] != "1":
                raise DataError(
                    f"{labelled.table.path}: row {int(str(row)) + 1} has the box {text.strip()!r} and the class "
                    f"{film['class']!r}; expected x, y, width and height in pixels of a film of {BOX_FRAME} x "
                    f"{BOX_FRAME}, and only for Lung Opacity. Correct the row"
                )
            rows.append((film["image"], PNEUMONIA, *box))
    if not rows:
        return empty_boxes()
    boxes = pd.DataFrame(rows, columns=list(BOX_COLUMNS))
    numbers = dict.fromkeys(BOX_COLUMNS[2:], np.float32)
    return boxes.astype({"image": "str", "finding": "str", **numbers})


def _parse_box(text: str) -> tuple[float, ...] | None:
    """(left, top, width, height) in fractions of the film; None for what is no box within it."""
    try:
        sides = np.array(text.split(), float) / BOX_FRAME
    except ValueError:
        return None
    if sides.shape != (4,) or not (np.isfinite(sides).all() and (sides >= 0).all()):
        return None
    left, top, width, height = sides
    is_inside = min(width, height) > 0 and left + width <= 1 and top + height <= 1
    return tuple(sides.tolist()) if is_inside else None

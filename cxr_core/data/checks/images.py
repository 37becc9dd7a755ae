"""Checks the images, as decoding described them: readable, a chest film, upright, no copy of another."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress

import pandas as pd

from cxr_core.data.account import LEFT_OUT, REASONS
from cxr_core.data.checks.issue import EXAMPLES, Issue
from cxr_core.data.manifest import NO_SPLIT, Manifest
from cxr_core.film.irregularities import IRREGULARITIES
from cxr_core.presentation.wording import format_count

# Quality flags (film/quality.py) of images that a reading would refuse.
UNSUITABLE = frozenset(
    {
        "wrong_modality",
        "wrong_body_part",
        "lateral_view",
        "drawing",
        "too_small",
        "implausible_shape",
        "constant",
        "noise",
        "colour",
        "drawn",
    }
)
ORIENTATION_FLAGS = {
    "inverted": "the greyscale may be inverted",
    "turned": "the film seems to lie on its side or upside down",
    "mirrored": "the heart seems to be on the patient's right",
}
# Flags of film/artefacts: a film with them is readable, and may name a patient or differ from the other films.
ARTEFACT_FLAGS = {
    "burned_in_text": "text seems to be burned into the border, which may name the patient",
    "photographed": "the picture seems to be a photograph of a film or of a monitor",
    "screenshot": "a part of the picture has one exact grey, as the window of a viewer has",
}
# What a file says of a film that withholds the call in a reading: another view, a contradiction, a torn picture ...
NO_CALL = frozenset(code for code, flag in IRREGULARITIES.items() if flag.withholds_call)
NAMED_REASONS = 3
NAMED_COPIES = 4


def find_unreadable_files(manifest: Manifest) -> Iterator[Issue]:
    """Files that are present but give no film; they are quarantined."""
    rows = manifest.table[manifest.table["status"] == "unreadable"]
    if rows.empty:
        return
    reasons = rows["reason"].fillna("no reason was recorded").str.rstrip(".")
    yield Issue(
        code="unreadable",
        message=f"{format_count(len(rows), 'images')} cannot be read: {_count_values(reasons)}.",
        count=len(rows),
        examples=tuple(manifest.names[rows.index] + ": " + reasons),
    )


def find_left_out_films(manifest: Manifest) -> Iterator[Issue]:
    """Films that are left out because their table, their path or their DICOM tags name another view."""
    table = manifest.table
    reasons = table["reason"].where(table["status"] == LEFT_OUT)
    for reason, rows in table.groupby(reasons):
        count = f"{format_count(len(rows), 'films')} of {len(table):,}"
        message = f"{count} are left out: {REASONS[str(reason)]}."
        yield Issue(
            code=str(reason),
            message=message,
            count=len(rows),
            examples=tuple(manifest.names[rows.index]),
        )


def find_suspicious_films(films: Manifest) -> Iterator[Issue]:
    """Films with quality flags: no frontal chest film, seemingly inverted, turned, mirrored, or not the film alone."""
    codes = films.table["concerns"].dropna().str.split("|").explode()
    refused = codes[codes.isin(UNSUITABLE)]
    if len(refused):
        rows = films.table.loc[refused.index.unique()]
        count = format_count(len(rows), "images")
        message = f"A reading would refuse {count}: {_count_values(refused)}."
        yield _excludable("unsuitable", message, rows, films.names[refused.index] + ": " + refused)
    doubtful = codes[codes.isin(NO_CALL)]
    if len(doubtful):
        rows = films.table.loc[doubtful.index.unique()]
        count = format_count(len(rows), "images")
        message = f"A reading would make no call on {count}: {_count_values(doubtful)}."
        yield _excludable("no_call", message, rows, films.names[doubtful.index] + ": " + doubtful)
    for code, meaning in {**ORIENTATION_FLAGS, **ARTEFACT_FLAGS}.items():
        rows = films.table.loc[codes.index[codes == code]]
        if len(rows):
            message = f"In {format_count(len(rows), 'films')} {meaning}."
            yield _excludable(code, message, rows, films.names[rows.index])


def find_identical_films(films: Manifest) -> Iterator[Issue]:
    """Films with exactly the same decoded pixels, whatever their names and containers.

    Their labels differ when a finding is 1 on one and 0 on another; an unknown label contradicts nothing.
    """
    digest = films.table["sha256"]
    identical = digest.notna() & digest.duplicated(keep=False)
    copies = films.table.assign(name=films.names)[identical]
    if copies.empty:
        return
    labels = copies.groupby("sha256")[list(films.findings)]
    contradicts = (labels.max() > labels.min()).any(axis=1)
    contradicted = copies["sha256"].map(contradicts)
    splits = copies.groupby("sha256")["split"].transform("nunique")
    yield from _find_two_labels(copies[contradicted], films.findings)
    yield from _find_two_splits(copies[splits > 1])
    yield from _find_plain_copies(copies[~contradicted])


def find_mixed_sizes(films: Manifest) -> Iterator[Issue]:
    """Films of more than one width and height."""
    sizes = films.table[["width", "height"]].dropna().astype(int).value_counts()
    if len(sizes) < 2:
        return
    lines = []
    for (width, height), count in sizes.head(EXAMPLES).items():
        lines.append(f"{width} × {height} px: {format_count(count, 'films')}")
    more = f"; and {len(sizes) - EXAMPLES:,} more" if len(sizes) > EXAMPLES else ""
    message = f"The films have {format_count(len(sizes), 'sizes')}. {'; '.join(lines)}{more}."
    yield Issue(code="mixed_resolution", message=message, count=int(sizes.sum()))


def _find_two_labels(rows: pd.DataFrame, findings: Sequence[str]) -> Iterator[Issue]:
    if rows.empty:
        return
    in_test = int((rows["split"] == "test").sum())
    films = format_count(len(rows), "films")
    message = f"{_count_images(rows['sha256'])} with different labels, on {films}."
    if in_test:
        message += f" {in_test:,} of them are never excluded, as test is never thinned."
    shown = rows[rows["sha256"].isin(rows["sha256"].unique()[:EXAMPLES])]
    positive = (shown[list(findings)] == 1).to_numpy()
    names = []
    for name, labels in zip(shown["name"], positive, strict=True):
        labelled = ", ".join(compress(findings, labels)).replace("_", " ") or "none"
        names.append(f"{name} ({labelled})")
    examples = _group_names(shown.assign(name=names))
    excluded = rows[rows["split"] != "test"]
    yield _excludable("same_picture_two_labels", message, excluded, examples, len(rows))


def _find_two_splits(rows: pd.DataFrame) -> Iterator[Issue]:
    """Of each group the films in the last split that it reaches are kept: those of test always."""
    if rows.empty:
        return
    order = rows["split"].map({"train": 0, "val": 1, "test": 2})
    earlier = rows[order < order.groupby(rows["sha256"]).transform("max")]
    message = (
        f"{_count_images(rows['sha256'])} in more than one split. Excluding the copies in the earlier split "
        f"leaves out {format_count(len(earlier), 'films')}."
    )
    shown = rows.assign(name=rows["name"] + " (" + rows["split"].fillna(NO_SPLIT) + ")")
    yield _excludable("same_picture_two_parts", message, earlier, _group_names(shown), len(rows))


def _find_plain_copies(rows: pd.DataFrame) -> Iterator[Issue]:
    """Copies with the same labels inside one split, or inside data without splits."""
    key = rows["sha256"] + rows["split"].fillna("")
    rows = rows[key.duplicated(keep=False)]
    copies = rows[key[rows.index].duplicated()]
    if copies.empty:
        return
    message = (
        f"{_count_images(key[rows.index])} more than once in one split, with the same labels: "
        f"{format_count(len(copies), 'films')} too many."
    )
    excluded = copies[copies["split"] != "test"]
    yield _excludable("same_picture", message, excluded, _group_names(rows), len(copies))


def _excludable(
    code: str, message: str, rows: pd.DataFrame, examples: Iterable[str], count: int | None = None
) -> Issue:
    """An issue whose rows may be excluded."""
    return Issue(
        code=code,
        message=message,
        count=len(rows) if count is None else count,
        examples=tuple(examples),
        images=tuple(rows["image"]),
    )


def _count_images(digests: pd.Series) -> str:
    """How many different images these are, as the beginning of a sentence."""
    count = digests.nunique()
    return f"{count:,} images are found" if count > 1 else "One image is found"


def _group_names(rows: pd.DataFrame) -> Iterator[str]:
    """The first groups of films that are one image: "a.png = b.png"."""
    for digest in rows["sha256"].unique()[:EXAMPLES]:
        names = rows.loc[rows["sha256"] == digest, "name"]
        more = f" = and {len(names) - NAMED_COPIES} more" if len(names) > NAMED_COPIES else ""
        yield " = ".join(names[:NAMED_COPIES]) + more


def _count_values(values: pd.Series) -> str:
    """How often each value occurs, the most frequent first: "colour (4); noise (1)"."""
    counts = values.value_counts()
    parts = [f"{value} ({count:,})" for value, count in counts.head(NAMED_REASONS).items()]
    others = int(counts.iloc[NAMED_REASONS:].sum())
    if others:
        parts.append(f"other reasons ({others:,})")
    return "; ".join(parts)

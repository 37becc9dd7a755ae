"""Checks of the pictures themselves, by what decoding wrote into the table: is each readable, a chest film, its own?"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress

import pandas as pd

from cxr_core.data.checks.issue import EXAMPLES, Issue, counted
from cxr_core.data.manifest import Manifest

# Concerns of film/quality.py that a film of a patient's chest does not have; the first word of each of them refuses.
UNSUITABLE = frozenset(
    {
        *("wrong_modality", "wrong_body_part", "lateral_view", "drawing"),
        *("too_small", "implausible_shape", "constant", "noise", "colour", "drawn"),
    }
)
UNSETTLING = {
    "inverted": "dark and bright seem to be swapped",
    "turned": "the film seems to lie on its side or upside down",
    "mirrored": "the heart seems to be on the patient's right",
}
NAMED_REASONS = 3
NAMED_COPIES = 4


def unreadable(manifest: Manifest) -> Iterator[Issue]:
    """Files that are there and give no film; they are quarantined."""
    rows = manifest.table[manifest.table["status"] == "unreadable"]
    if rows.empty:
        return
    reasons = rows["reason"].fillna("no reason was noted").str.rstrip(".")
    yield Issue(
        code="unreadable",
        message=f"{counted(len(rows), 'images')} cannot be read: {_tally(reasons)}.",
        count=len(rows),
        examples=tuple(manifest.names[rows.index] + ": " + reasons),
    )


def suspicious(films: Manifest) -> Iterator[Issue]:
    """Films with concerns: what is no frontal chest film, and what seems inverted, turned or mirrored."""
    codes = films.table["concerns"].dropna().str.split("|").explode()
    refused = codes[codes.isin(UNSUITABLE)]
    if len(refused):
        rows = films.table.loc[refused.index.unique()]
        message = (
            f"{counted(len(rows), 'pictures')} would be refused by a reading: {_tally(refused)}."
        )
        yield _excludable("unsuitable", message, rows, films.names[refused.index] + ": " + refused)
    for code, meaning in UNSETTLING.items():
        rows = films.table.loc[codes.index[codes == code]]
        if len(rows):
            message = f"In {counted(len(rows), 'films')} {meaning}."
            yield _excludable(code, message, rows, films.names[rows.index])


def same_pictures(films: Manifest) -> Iterator[Issue]:
    """Films with exactly the same decoded pixels, whatever their names and containers.

    Their labels differ when a finding is 1 on one and 0 on another; an unknown label contradicts nothing.
    """
    digest = films.table["sha256"]
    again = films.table.assign(name=films.names)[digest.notna() & digest.duplicated(keep=False)]
    if again.empty:
        return
    labels = again.groupby("sha256")[list(films.findings)]
    contradicted = again["sha256"].map((labels.max() > labels.min()).any(axis=1))
    in_parts = again.groupby("sha256")["split"].transform("nunique")
    yield from _two_labels(again[contradicted], films.findings)
    yield from _two_parts(again[in_parts > 1])
    yield from _copies(again[~contradicted])


def of_several_sizes(films: Manifest) -> Iterator[Issue]:
    """Films of more than one width and height."""
    sizes = films.table[["width", "height"]].dropna().astype(int).value_counts()
    if len(sizes) < 2:
        return
    named = [
        f"{width} × {height} px: {counted(count, 'films')}"
        for (width, height), count in sizes.items()
    ]
    more = f"; and {len(named) - EXAMPLES:,} more" if len(named) > EXAMPLES else ""
    message = f"The films have {len(sizes):,} sizes. {'; '.join(named[:EXAMPLES])}{more}."
    yield Issue(code="mixed_resolution", message=message, count=int(sizes.sum()))


def _two_labels(rows: pd.DataFrame, findings: Sequence[str]) -> Iterator[Issue]:
    if rows.empty:
        return
    in_test = int((rows["split"] == "test").sum())
    kept = (
        f" {in_test:,} of them stay whatever is chosen, as test is never thinned."
        if in_test
        else ""
    )
    message = f"{_pictures(rows['sha256'])} with different labels, on {counted(len(rows), 'films')}.{kept}"
    shown = rows[rows["sha256"].isin(rows["sha256"].unique()[:EXAMPLES])]
    positive = (shown[list(findings)] == 1).to_numpy()
    said = [", ".join(compress(findings, row)).replace("_", " ") or "none" for row in positive]
    examples = _together(
        shown.assign(
            name=[f"{name} ({each})" for name, each in zip(shown["name"], said, strict=True)]
        )
    )
    yield _excludable(
        "same_picture_two_labels", message, rows[rows["split"] != "test"], examples, len(rows)
    )


def _two_parts(rows: pd.DataFrame) -> Iterator[Issue]:
    """Of each group the films in the last part that it reaches stay: those of test always."""
    if rows.empty:
        return
    order = rows["split"].map({"train": 0, "val": 1, "test": 2})
    earlier = rows[order < order.groupby(rows["sha256"]).transform("max")]
    message = (
        f"{_pictures(rows['sha256'])} in more than one part. Excluding the copies in the earlier part leaves "
        f"out {counted(len(earlier), 'films')}."
    )
    shown = rows.assign(name=rows["name"] + " (" + rows["split"].fillna("undivided") + ")")
    yield _excludable("same_picture_two_parts", message, earlier, _together(shown), len(rows))


def _copies(rows: pd.DataFrame) -> Iterator[Issue]:
    """Copies with the same labels inside one part, or inside data that is not divided."""
    key = rows["sha256"] + rows["split"].fillna("")
    rows = rows[key.duplicated(keep=False)]
    copies = rows[key[rows.index].duplicated()]
    if copies.empty:
        return
    message = (
        f"{_pictures(key[rows.index])} more than once in one part, with the same labels: "
        f"{counted(len(copies), 'films')} too many."
    )
    yield _excludable(
        "same_picture", message, copies[copies["split"] != "test"], _together(rows), len(copies)
    )


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


def _pictures(digests: pd.Series) -> str:
    """How many different pictures these are, as the beginning of a sentence."""
    count = digests.nunique()
    return f"{count:,} pictures are found" if count > 1 else "One picture is found"


def _together(rows: pd.DataFrame) -> Iterator[str]:
    """The first groups of films that are one picture: a.png = b.png."""
    for digest in rows["sha256"].unique()[:EXAMPLES]:
        names = rows.loc[rows["sha256"] == digest, "name"]
        more = f" = and {len(names) - NAMED_COPIES} more" if len(names) > NAMED_COPIES else ""
        yield " = ".join(names[:NAMED_COPIES]) + more


def _tally(values: pd.Series) -> str:
    """How often each value occurs, the most frequent first: colour (4); noise (1)."""
    counts = values.value_counts()
    named = [f"{value} ({count:,})" for value, count in counts.head(NAMED_REASONS).items()]
    others = int(counts.iloc[NAMED_REASONS:].sum())
    return "; ".join([*named, f"other reasons ({others:,})"] if others else named)

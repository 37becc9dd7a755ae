"""Reads a user's own split: a CSV file with a column of films or patients, and a column with the split of each."""

import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from cxr_core.data.identifiers import normalise_name, normalise_patient, normalise_stem
from cxr_core.data.manifest import Manifest
from cxr_core.data.sources.csv_tables import LabelTable, read_table
from cxr_core.data.sources.film_tables.headings import (
    IMAGE_HEADINGS,
    PATIENT_HEADINGS,
    SPLIT_HEADINGS,
)
from cxr_core.data.sources.labels import parse_split
from cxr_core.data.splits.plan import MAX_FOLDS, describe_split, require_whole_patients
from cxr_core.data.splits.saved_split import SavedSplit
from cxr_core.errors import DataError
from cxr_core.presentation.wording import format_count

PIXEL_HEADINGS = ("sha256",)
FOLD_HEADINGS = ("fold", "folds", "kfold")
EXAMPLES = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnSplit:
    """A split from a list. remarks: what its author should know before it is saved."""

    split: SavedSplit
    remarks: tuple[str, ...]


def read_own_split(manifest: Manifest, content: bytes, name: str) -> OwnSplit:
    """The split that a CSV file describes. name: of the file, for sentences.

    Its columns are `image` or `patient`, and `split` (train, val, test) or `fold` (1, 2, ...), in the usual spellings.
    The list of a saved split, films.csv, names films by `sha256` as well, which then decides.
    A patient's row counts for all films of the patient; films without a row lie in no split. Raises DataError that
    names the row: for an unknown split, none of whose films or patients is in the dataset, a film or patient with two
    splits, and a patient whose films lie in two.
    """
    table = _read_table(content, name)
    places = _read_places(table)
    by_row, unknown = _match_rows(manifest, table, places)
    if not by_row:
        raise DataError(
            f"none of the {format_count(len(places), 'rows')} of {name} names a film or patient of this dataset, such "
            f"as {manifest.names.iloc[0]} of patient {manifest.table['patient'].iloc[0]}"
        )
    divided = manifest.table.copy()
    divided["split"] = pd.Series(by_row, dtype="str").reindex(divided.index)
    listed = manifest.with_table(divided)
    require_whole_patients(listed)
    folds = _count_folds(places)
    if not folds and not (divided["split"] == "train").any():
        raise DataError(f"{name} puts no film into train, so there is none to learn from")
    split = describe_split(listed, "list", f"from the list {name}", folds=folds, official=manifest)
    remarks = tuple(_remark(manifest, listed, unknown))
    return OwnSplit(split=split, remarks=remarks)


def _read_table(content: bytes, name: str) -> LabelTable:
    """The table in a file that was uploaded. Raises DataError that calls it by its name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (re.sub(r"[^\w.+-]+", "-", name)[-80:] or "list.csv")
        path.write_bytes(content)
        try:
            return read_table(str(path))
        except DataError as error:
            raise DataError(str(error).replace(str(path), name)) from error


def _read_places(table: LabelTable) -> pd.Series:
    """The split or the fold of each row, as a manifest writes it. Raises DataError for a cell that is neither."""
    heading = table.find_column(SPLIT_HEADINGS) or table.find_column(FOLD_HEADINGS)
    if heading is None:
        raise DataError(
            f"{table.name} has no column split or fold; it has {', '.join(table.frame.columns)}"
        )
    cells = table.frame[heading].str.strip()
    is_fold = cells.str.fullmatch(r"\d{1,3}(\.0)?")
    is_test = cells.map(lambda cell: parse_split(cell) == "test")
    if is_fold.any() and (is_fold | is_test | (cells == "")).all():
        # The list of saved folds names the official test split as well, which lies in none of them.
        places = cells.str.removesuffix(".0").str.lstrip("0").mask(is_test, "test")
    else:
        places = cells.map(lambda cell: parse_split(cell) or "")
    wrong = (places == "") & (cells != "")
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise DataError(
            f"{table.name}, row {row + 1}: {cells.iloc[row]!r:.40} is no split; write train, val or test, or the "
            "number of a fold from 1"
        )
    return places


def _count_folds(places: pd.Series) -> int:
    """How many folds a list has; 0 for train, val and test. Raises DataError when a number is left out."""
    named = {place for place in places if place.isdigit()}
    if not named:
        return 0
    folds = max(map(int, named))
    if folds > MAX_FOLDS or len(named) != folds or folds < 2:
        raise DataError(
            f"the list has the folds {', '.join(sorted(named, key=int)[:10])}; number them 1, 2, ... without a "
            f"gap, 2 to {MAX_FOLDS} of them"
        )
    return folds


def _match_rows(
    manifest: Manifest, table: LabelTable, places: pd.Series
) -> tuple[dict[int, str], list[str]]:
    """The split of each row of the manifest that is listed, and the names that no film or patient has."""
    image, patient = table.find_column(IMAGE_HEADINGS), table.find_column(PATIENT_HEADINGS)
    if image is None and patient is None:
        raise DataError(
            f"{table.name} has no column image or patient; it has {', '.join(table.frame.columns)}"
        )
    find: Callable[[str], list[int]]
    pixels = table.find_column(PIXEL_HEADINGS)
    cells = table.frame[pixels or image or patient or ""].str.strip()
    if pixels:
        find = _find_by_pixels(manifest)
        if patient:
            cells = cells.where(cells == "", cells + " " + table.frame[patient].str.strip())
    else:
        find = _FilmFinder(manifest) if image else _PatientFinder(manifest)
    assigned: dict[int, str] = {}
    unknown: list[str] = []
    for number, (cell, place) in enumerate(zip(cells, places, strict=True), 1):
        if not cell or not place:
            continue
        rows = find(cell)
        if not rows:
            unknown.append(cell)
        for row in rows:
            if assigned.setdefault(row, place) != place:
                raise DataError(
                    f"{table.name}, row {number}: {cell} lies in {place} and, by a row above, in {assigned[row]}"
                )
    return assigned, unknown


def _find_by_pixels(manifest: Manifest) -> Callable[[str], list[int]]:
    """Finds rows by the hash of their pixels, or by hash and patient, which the list of a saved split names.

    The rows of a patient who has none of these pixels are those of all patients.
    """
    pixels = manifest.table["sha256"].fillna("")
    of_patient = _group_rows(pixels + " " + manifest.table["patient"])
    of_all = _group_rows(pixels)
    return lambda cell: of_patient.get(cell) or of_all.get(cell.partition(" ")[0], [])


class _FilmFinder:
    """Finds the row of a film by its name, in any usual spelling; by its folders too where names repeat."""

    def __init__(self, manifest: Manifest):
        self._images = manifest.table["image"].tolist()
        self._by_name = _group_rows(map(normalise_name, manifest.names))
        self._by_stem = _group_rows(map(normalise_stem, manifest.names))

    def __call__(self, cell: str) -> list[int]:
        path = cell.replace("\\", "/")
        name = path.rpartition("/")[2]
        rows = self._by_name.get(normalise_name(name)) or self._by_stem.get(
            normalise_stem(name), []
        )
        if len(rows) < 2:
            return rows
        exact = [row for row in rows if f"/{self._images[row]}".endswith(f"/{path.lstrip('./')}")]
        if len(exact) != 1:
            raise DataError(
                f"{len(rows)} films are named {name}; write the folders before it, as far as they differ"
            )
        return exact


class _PatientFinder:
    """Finds the rows of a patient by the number, with or without the collection that a manifest writes before it."""

    def __init__(self, manifest: Manifest):
        patients = manifest.table["patient"]
        self._rows = _group_rows(patients)
        self._by_number: dict[str, set[str]] = defaultdict(set)
        for patient in self._rows:
            self._by_number[_plain_number(patient)].add(patient)

    def __call__(self, cell: str) -> list[int]:
        if cell in self._rows:
            return self._rows[cell]
        patients = self._by_number.get(_plain_number(cell), set())
        if len(patients) > 1:
            raise DataError(
                f"{cell} is the number of {len(patients)} patients: {', '.join(sorted(patients)[:EXAMPLES])}; write "
                "one of these"
            )
        return [row for patient in patients for row in self._rows[patient]]


def _plain_number(patient: str) -> str:
    return normalise_patient(re.split(r"[/:]", patient)[-1])


def _group_rows(keys: Iterable[str]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        rows[key].append(row)
    return dict(rows)


def _remark(manifest: Manifest, listed: Manifest, unknown: list[str]) -> Iterable[str]:
    """Rows without a film, films without a row, and what becomes of an official test split."""
    if unknown:
        rows = format_count(len(unknown), "rows")
        yield f"Not used: {rows} of no film in this dataset, such as {', '.join(unknown[:EXAMPLES])}."
    left_out = int(listed.table["split"].isna().sum())
    if left_out:
        yield f"Not in the list: {format_count(left_out, 'films')}; they lie in no split and are not used."
    official = (manifest.table["split"] == "test").to_numpy()
    learnt = listed.table["split"].notna().to_numpy() & (listed.table["split"] != "test").to_numpy()
    count = int((official & learnt).sum())
    if count:
        films = format_count(count, "films")
        yield (
            f"The list takes {films} of the official test split for learning. Models trained on it cannot be compared "
            "with others on the official test split, and the gate does not use it for them."
        )

"""Compares patients and file names, so that two spellings of the same one are recognised.

Spreadsheets drop leading zeros and write numbers as floats, a Mac writes accents as characters of their own, and people
change capital letters and spaces. The forms made here are for comparisons only: what is stored and shown is a spelling
that the data has.
"""

import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable

import pandas as pd

from cxr_core.data.checks.issue import Issue
from cxr_core.presentation.wording import format_count

# A spreadsheet keeps the zeros of ="00000100" and of '00000100.
SPREADSHEET_TEXT = re.compile(r'="(.*)"|\'(.*)')
NUMBER = re.compile(r"0*([0-9]+)(?:[.,]0*)?")  # 00000100, 100.0
PREFIX_AND_NUMBER = re.compile(r"([^0-9]+)0*([0-9]+)")  # P0012
SCOPE = re.compile(r"(?s)(.*[/:])?(.*)")  # train/person12, nih14:100
SHOWN_SPELLINGS = 2


def canonical_number(text: str) -> str:
    """An identifier without invisible characters and spare spaces; a number also without leading zeros and ".0".

    `00000100`, ` 100`, `100.0` and `="100"` give `100`. The case of letters stays.
    """
    plain = " ".join(_visible_text(text).split())
    quoted = SPREADSHEET_TEXT.fullmatch(plain)
    if quoted:
        plain = (quoted[1] or quoted[2] or "").strip()
    number = NUMBER.fullmatch(plain)
    return number[1] if number else plain


def normalise_patient(text: str) -> str:
    """The form in which two patients of one table are compared.

    As `canonical_number`, whatever the case of its letters, and without the zeros between a name and its number:
    `P0012`, `p12`.
    """
    plain = canonical_number(text).casefold()
    parts = PREFIX_AND_NUMBER.fullmatch(plain)
    return parts[1] + parts[2] if parts else plain


def normalise_cells(cells: pd.Series) -> pd.Series:
    """A column's cells, each in the form of `normalise_patient`; missing ones stay missing."""
    forms = {text: normalise_patient(text) for text in cells.dropna().unique()}
    return cells.map(forms)


def canonical_patient(patient: str) -> str:
    """A manifest's patient with its number in canonical form; the scope before its last `/` or `:` stays."""
    match = SCOPE.fullmatch(patient)
    assert match is not None  # it matches every text
    return (match[1] or "") + canonical_number(match[2])


def normalise_name(name: str) -> str:
    """The form in which two file names, or paths, are compared: whatever their Unicode form, their case and spaces.

    Bytes that are not UTF-8 (as surrogate escapes) are read as Windows-1252, which most old names are written in.
    """
    return " ".join(_visible_text(name).split()).casefold()


def normalise_stem(name: str) -> str:
    """The form in which the names of films are compared where their format may differ: without the suffix."""
    return os.path.splitext(normalise_name(name))[0]


def find_spellings(
    wanted: Iterable[str], known: Iterable[str], normalise: Callable[[str], str] = normalise_name
) -> dict[str, str]:
    """For each wanted text the known one that is the same but for its spelling; left out where none or several are.

    Give only texts that have no exact partner, so that an exact one is never taken away.
    """
    wanted = list(wanted)
    if not wanted:  # mostly, and the known texts may be a whole release
        return {}
    candidates: dict[str, list[str]] = {}
    for text in known:
        candidates.setdefault(normalise(text), []).append(text)
    if not candidates:
        return {}
    wanted_by_form: dict[str, list[str]] = {}
    for text in wanted:
        wanted_by_form.setdefault(normalise(text), []).append(text)
    spellings = {}
    for form, texts in wanted_by_form.items():
        partners = candidates.get(form, [])
        if len(partners) == 1:
            spellings.update(dict.fromkeys(texts, partners[0]))
    return spellings


def unify_patients(cells: pd.Series, known: Collection[str] = ()) -> tuple[pd.Series, list[Issue]]:
    """The patients with one spelling each, the first that occurs, and a note about those with several.

    cells: a patient per row.  known: texts that are no patients and stay as they are.
    """
    spellings: dict[str, list[str]] = {}
    for text in cells.unique():
        if text not in known:
            spellings.setdefault(normalise_patient(text), []).append(text)
    several = {texts[0]: texts[1:] for texts in spellings.values() if len(texts) > 1}
    if not several:
        return cells, []
    first_of = {text: texts[0] for texts in spellings.values() for text in texts}
    return cells.map(lambda text: first_of.get(text, text)), [_report_spellings(several)]


def report_respelled_names(names: Collection[str], table: str) -> list[Issue]:
    """A note about films that a table names in another spelling than their files. names: as the table has them."""
    if not names:
        return []
    count = format_count(len(names), "films")
    message = (
        f"{table} spells the file names of {count} otherwise than the folders do (capital letters, accents, spaces, "
        "leading zeros or the suffix); they were found all the same."
    )
    return [Issue(code="name_spellings", message=message, count=len(names), examples=tuple(names))]


def _report_spellings(several: dict[str, list[str]]) -> Issue:
    examples = []
    for first, others in several.items():
        examples.append(" = ".join(map(repr, [first, *others][:SHOWN_SPELLINGS])))
    count = format_count(len(several), "patients")
    message = (
        f"More than one spelling of {count}, such as {examples[0]}; each counts as one patient."
    )
    return Issue(
        code="patient_spellings", message=message, count=len(several), examples=tuple(examples)
    )


def _visible_text(text: str) -> str:
    """One Unicode form (NFKC), without characters that cannot be seen, such as marks of the writing direction."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name that is not UTF-8
        text = os.fsencode(text).decode("cp1252", "replace")
    composed = unicodedata.normalize("NFKC", text)
    return "".join(char for char in composed if unicodedata.category(char) != "Cf")

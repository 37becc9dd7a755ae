"""The layouts that datasets come in, each read into one Manifest.

nih14    NIH ChestX-ray14 (CXR8): PNG files anywhere below the folders, `Data_Entry_2017*.csv` and `test_list.txt`
         below any of them. Joined on the file name only: `Follow-up #` differs from it in thousands of rows.
folder   the Kaggle `chest_xray` layout: `train|val|test/CLASS/`; patients from the file names.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cxr_core.data.manifest import Manifest
from cxr_core.errors import DataError
from cxr_core.findings import NO_FINDING_ALIASES, Finding, finding_named

PICTURES = {".png", ".jpg", ".jpeg"}
ENTRIES = "Data_Entry_2017*.csv"
PARTS = ("train", "val", "test")

NIH_TERMS = (
    "NIH ChestX-ray14, free use: link the NIH download site (nihcc.app.box.com/v/ChestXray-NIHCC), cite Wang et al. "
    "CVPR 2017 (arXiv:1705.02315), acknowledge the NIH Clinical Center as the provider."
)
KERMANY_TERMS = "Kermany et al. 2018, CC BY 4.0, doi:10.17632/rscbjbr9sj.2"


def read_sources(folders: Sequence[Path], kind: str | None = None) -> Manifest:
    """The manifest of one or several folders of the same kind, which is detected unless given.

    Raises DataError that names the folder and the mend when one is missing, empty or of no known layout.
    """
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"there is no folder {folder}; give the dataset's own folder with --data")
    kind = kind or _detect(folders)
    if kind not in SOURCES:
        raise DataError(f"unknown dataset source {kind!r}; choose from {', '.join(sorted(SOURCES))}")
    return SOURCES[kind](folders)


def read_nih14(folders: Sequence[Path]) -> Manifest:
    """NIH's films below the folders, labelled by the table found in one of them."""
    entries = _one_below(folders, ENTRIES)
    test_list = _one_below(folders, "test_list.txt")
    table = pd.read_csv(entries, encoding="utf-8-sig")
    table.columns = [column.strip() for column in table.columns]
    table = table.drop_duplicates("Image Index").set_index("Image Index")
    pictures = _pictures(folders)
    known = [name for name in pictures if name in table.index]
    if not known:
        raise DataError(f"none of the {len(pictures)} pictures found is named in {entries.name}")
    rows = table.loc[known]
    on_test = set(test_list.read_text(encoding="utf-8-sig").split())
    age = pd.to_numeric(rows["Patient Age"].astype(str).str.rstrip("Y"), errors="coerce")
    facts = {
        "image": [pictures[name] for name in known],
        "patient": rows["Patient ID"].astype(str).to_numpy(),
        "split": ["test" if name in on_test else "train" for name in known],
        "source": [pictures[name].parent.parent.name for name in known],
        "view": rows["View Position"].where(rows["View Position"].isin(["PA", "AP"]), None).to_numpy(),
        "age": age.where(age.between(0, 120)).to_numpy(),
        "sex": rows["Patient Gender"].where(rows["Patient Gender"].isin(["F", "M"]), None).to_numpy(),
    }
    return Manifest(pd.DataFrame(facts | _nih_labels(rows["Finding Labels"])), "nih14", NIH_TERMS)


def read_folder(folders: Sequence[Path]) -> Manifest:
    """Parts and classes told by folder names; a patient's number counts within its part and class only."""
    rows = []
    for folder in folders:
        for path in sorted(folder.glob("*/*/*")):
            part, label = path.parent.parent.name, path.parent.name
            if part in PARTS and path.suffix.lower() in PICTURES:
                rows.append(_folder_row(path, part, label))
    if not rows:
        raise DataError(f"{folders[0]} holds no pictures under train|val|test/CLASS/")
    table = pd.DataFrame(rows)
    for key in [column for column in table if column not in {"image", "patient", "split", "source", "normal"}]:
        table[key] = table[key].where(table[key].notna() | ~table["normal"], 0.0)
    table = table.drop(columns="normal").assign(view=None, age=np.nan, sex=None)
    return Manifest(table, "folder", KERMANY_TERMS)


def _folder_row(path: Path, part: str, label: str) -> dict[str, object]:
    normal = label.strip().lower() in NO_FINDING_ALIASES
    finding: Finding | None = None if normal else finding_named(label)
    if not normal and finding is None:
        raise DataError(f"{path.parent} is named after no known finding; rename it, or add an alias in findings.py")
    row: dict[str, object] = {"image": path, "split": part, "source": path.parents[2].name, "normal": normal}
    row["patient"] = f"{part}/{_patient_in(path.stem)}"
    if finding:
        row[finding.key] = 1.0
    return row


def _patient_in(stem: str) -> str:
    """`person12_bacteria_47` -> person12; `NORMAL2-IM-0927-0001` -> NORMAL2-IM-0927; else the whole name."""
    found = re.match(r"(person\d+)_|((?:NORMAL2-)?IM-\d+)-", stem)
    return (found.group(1) or found.group(2)) if found else stem


def _nih_labels(labels: pd.Series) -> dict[str, np.ndarray]:
    named = {text: {finding_named(part) for part in text.split("|")} for text in labels.unique()}
    findings = {finding for group in named.values() for finding in group if finding is not None}
    return {f.key: np.array([float(f in named[text]) for text in labels]) for f in sorted(findings, key=str)}


def _pictures(folders: Sequence[Path]) -> dict[str, Path]:
    """Every picture by name; where two folders hold the same film, the first one's is kept."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in PICTURES:
                found.setdefault(path.name, path)
    return found


def _one_below(folders: Sequence[Path], pattern: str) -> Path:
    found = [path for folder in folders for path in sorted(folder.rglob(pattern))]
    if not found:
        raise DataError(f"no {pattern} below {', '.join(map(str, folders))}; NIH's release carries it beside the films")
    return found[-1]


def _detect(folders: Sequence[Path]) -> str:
    if any(True for folder in folders for _ in folder.rglob(ENTRIES)):
        return "nih14"
    if any((folder / part).is_dir() for folder in folders for part in PARTS):
        return "folder"
    raise DataError(f"{folders[0]} is of no known layout: it has neither {ENTRIES} nor train|val|test folders")


SOURCES: dict[str, Callable[[Sequence[Path]], Manifest]] = {"nih14": read_nih14, "folder": read_folder}

"""Small datasets on disk, each in one of the layouts that sources read."""

from pathlib import Path

import pandas as pd

from cxr_core.data.checks.issue import Issue
from cxr_core.data.manifest import Manifest

ENTRIES_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)


def touch(*paths: Path) -> None:
    """Files in whose place films would lie: sources never open one."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    """A text file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding=encoding)
    return path


def entries(*rows: str) -> str:
    """NIH's table. rows: name,labels,follow-up,patient,age,sex,view."""
    return "\n".join([ENTRIES_HEADER, *(f"{row},2500,2048,0.171,0.171" for row in rows), ""])


def by_name(manifest: Manifest) -> pd.DataFrame:
    """The manifest's table under the films' file names."""
    return manifest.table.set_index(manifest.names)


def source_issues_by_code(manifest: Manifest) -> dict[str, Issue]:
    """The issues by their codes, each of which occurs once."""
    issues = {issue.code: issue for issue in manifest.source_issues}
    assert len(issues) == len(manifest.source_issues)
    return issues

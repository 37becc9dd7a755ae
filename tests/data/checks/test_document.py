"""docs/data.md describes every issue as the catalogue does, with the numbers that the dataset checks use."""

import re
from pathlib import Path

from cxr_core.data.checks.issue_kinds import ISSUES
from cxr_core.data.checks.shortcuts import MIN_ODDS_RATIO
from cxr_core.data.sources.detect import SOURCES

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs/data.md").read_text(encoding="utf-8")


def rows() -> list[list[str]]:
    lines = re.findall(r"^\| `(\w+)` \| (blocking|warning|note) \|(.+)\|(.+)\|$", DOCUMENT, re.M)
    return [[cell.strip() for cell in line] for line in lines]


def test_document_lists_every_code_once_in_catalogue_order() -> None:
    assert [code for code, *_ in rows()] == list(ISSUES)


def test_document_gives_severity_and_remedy_of_the_catalogue() -> None:
    for code, severity, meaning, remedy in rows():
        assert (severity, remedy) == (ISSUES[code].severity, ISSUES[code].remedy), code
        assert meaning.endswith("."), code


def test_document_gives_the_limit_of_the_odds_ratio() -> None:
    assert f"above {MIN_ODDS_RATIO} or below 1/{MIN_ODDS_RATIO}" in DOCUMENT


def test_every_kind_of_source_is_named() -> None:
    for kind in SOURCES:
        assert f"`{kind}`" in DOCUMENT


def test_codes_in_commands_exist() -> None:
    named = re.findall(r"--(?:accept|exclude) ([a-z]\w+)", DOCUMENT)
    assert len(named) >= 2
    assert set(named) <= set(ISSUES)

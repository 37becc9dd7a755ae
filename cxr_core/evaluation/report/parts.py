"""What the reports of evaluations share: the page around them, how a figure is written, and where it all comes from."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cxr_core.findings import FINDINGS
from cxr_core.presentation.html import element, page, screen_style
from cxr_core.version import VERSION

PART_NAMES = {"train": "training part", "val": "validation part", "test": "test part"}
UNDEFINED = "undefined"
POINT_NAMES = {"youden": "Balanced", "sensitivity_95": "Sensitive", "specificity_95": "Specific"}


def document(name: str, part: str, made: str, head: Iterable[str], body: Iterable[str]) -> str:
    """A self-contained HTML page, light or dark as its reader's system is.

    name: of the model.  made: ISO 8601, UTC.  head: elements that say what came out.  body: everything else.
    """
    style = screen_style(Path(__file__).with_name("report.css"))
    words = [
        "<header>",
        element("p", "Evaluation", "kind"),
        element("h1", name),
        *head,
        "</header>",
        "<main>",
        *body,
        "</main>",
        element(
            "footer",
            f"Silhouette {VERSION}, {when(made)}. Intervals are 95 %, from 1,000 resamples of the patients. "
            "Not for clinical use without a qualified reader.",
        ),
    ]
    return page(f"{name} on its {part_name(part)}", style, words)


def caution(part: str) -> Iterator[str]:
    """A warning over the figures of a part that is no test."""
    if part != "test":
        yield element(
            "p",
            "This is not a test part: the model has learnt from it, or was tuned on it.",
            "warning",
        )


def facts_list(told: Mapping[str, str]) -> Iterator[str]:
    """Where it comes from: names and values; what is empty is left out."""
    yield element("h2", "Where it comes from")
    entries = (
        f"<div>{element('dt', name)}{element('dd', value)}</div>"
        for name, value in told.items()
        if value
    )
    yield f"<dl>{''.join(entries)}</dl>"


def row(name: str, figure: Mapping[str, Any], digits: int = 3) -> list[str]:
    """A table's row of one figure: its name, value and interval."""
    if figure["value"] is None or figure["low"] is None:
        return [name, UNDEFINED, ""]
    value, low, high = (f"{figure[end]:z.{digits}f}" for end in ("value", "low", "high"))
    return [name, value, f"{low} to {high}"]


def cell(figure: Mapping[str, Any], digits: int = 3) -> str:
    """One figure and its interval in a few words."""
    _, value, bounds = row("", figure, digits)
    return f"{value} ({bounds})" if bounds else value


def part_name(part: str) -> str:
    """`val` -> validation part."""
    return PART_NAMES.get(part, f"part {part}")


def finding_name(key: str) -> str:
    """`cardiomegaly` -> Cardiomegaly."""
    return FINDINGS[key].name if key in FINDINGS else key


def when(iso: str) -> str:
    """ISO 8601 in UTC -> day and minute."""
    return f"{iso[:16].replace('T', ' ')} UTC"

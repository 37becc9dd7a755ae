"""Several recipes on the same data, each trained, then measured on its own test part, as one table.

What is finished is not done again and what was interrupted is gone on with, so the same call may be repeated until
every recipe has its figures. One that cannot run keeps its place in the table, with the reason.
"""

import csv
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cxr_core.data.prepare import folders_of
from cxr_core.errors import RunError, SilhouetteError
from cxr_core.findings import FINDINGS
from cxr_core.models.store import load_card
from cxr_core.promotion.publish import figures_on_test
from cxr_core.training.fit import Settings, fit, resume
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.run_data import run_in
from cxr_core.training.runs.run_folder import RunFolder

BALANCES = ("balanced", "unbalanced")
COLUMNS = (
    "recipe",
    "backbone",
    "init",
    "head",
    "balance",
    "finding",
    "f1",
    "low",
    "high",
    "n",
    "positives",
    "auroc",
)
UNDEFINED = "undefined"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One recipe of the grid. figures: of the test part, by finding; without them, reason says why."""

    recipe: Recipe
    run: Path
    figures: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""

    @property
    def balance(self) -> str:
        """`balanced` when positives are drawn more often than they come."""
        return BALANCES[self.recipe.balance == "none"]

    @property
    def row(self) -> str:
        """What the two balances of one network share."""
        return self.recipe.name.replace("-unbalanced", "").replace("-balanced", "")


def run_grid(
    recipes: Sequence[Recipe],
    data: Sequence[str | Path],
    home: Path,
    settings: Settings,
    measure: Callable[[Path], object],
) -> Iterator[Entry]:
    """Each recipe's entry as it is done. home: the folder of the runs.

    measure: writes the evaluation of a finished run's test part into the run.
    """
    for recipe in recipes:
        place = home / recipe.name
        if settings.stop():
            yield Entry(recipe=recipe, run=place, reason="not begun: the grid was stopped")
            continue
        try:
            yield Entry(
                recipe=recipe, run=place, figures=_figures(recipe, data, place, settings, measure)
            )
        except SilhouetteError as error:
            yield Entry(recipe=recipe, run=place, reason=str(error))


def as_csv(entries: Sequence[Entry]) -> str:
    """A line per recipe and finding; for those without figures the reason, in the last column."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((*COLUMNS, "reason"))
    for entry in entries:
        recipe = entry.recipe
        for finding in recipe.findings:
            f1, auroc = (entry.figures.get(finding, {}).get(name, {}) for name in ("f1", "auroc"))
            numbers = [f1.get(name) for name in ("value", "low", "high", "n", "positives")]
            told = (recipe.name, recipe.backbone, recipe.init, recipe.head, entry.balance, finding)
            writer.writerow((*told, *numbers, auroc.get("value"), entry.reason))
    return out.getvalue()


def as_markdown(entries: Sequence[Entry]) -> str:
    """The source's table: F1 of each network, balanced and unbalanced, and below it what could not run and why."""
    lines = []
    for finding in dict.fromkeys(finding for entry in entries for finding in entry.recipe.findings):
        name = FINDINGS[finding].name.lower()
        lines += [
            f"F1 for {name} on the test part, with 95 % intervals by patient, and positive films of all.",
            "",
        ]
        lines += ["| network | weights at first | balanced | unbalanced |", "|---|---|---|---|"]
        for row in dict.fromkeys(entry.row for entry in entries):
            found = {entry.balance: entry for entry in entries if entry.row == row}
            recipe = next(iter(found.values())).recipe
            cells = [_cell(found.get(balance), finding) for balance in BALANCES]
            lines.append(f"| {_network(recipe)} | {recipe.init} | {' | '.join(cells)} |")
        lines.append("")
    lacking = [entry for entry in entries if entry.reason]
    if lacking:
        lines += [
            "Without figures:",
            "",
            *(f"- {entry.recipe.name}: {entry.reason}" for entry in lacking),
            "",
        ]
    return "\n".join(lines)


def _figures(
    recipe: Recipe,
    data: Sequence[str | Path],
    place: Path,
    settings: Settings,
    measure: Callable[[Path], object],
) -> Mapping[str, Any]:
    """The figures of one recipe's run, which is begun, gone on with or left as it is."""
    run = run_in(place)
    if run is None:
        fit(recipe, data, settings, run=place)
    elif run.recipe() != recipe:
        raise RunError(
            f"{place} holds a run of another recipe; give --run another folder, or move that one away"
        )
    elif run.manifest()["folders"] != [os.path.abspath(folder) for folder in folders_of(data)]:
        raise RunError(
            f"{place} holds a run on other data; give --run another folder, or move that one away"
        )
    elif run.state != "finished":
        resume(place, settings)
    done = RunFolder(place)
    if figures_on_test(done, load_card(done.model)) is None:
        measure(place)
    found = figures_on_test(done, load_card(done.model))
    if found is None:
        raise RunError(f"{place} has been measured, but not on a test part")
    return found


def _cell(entry: Entry | None, finding: str) -> str:
    if entry is None:
        return ""
    f1 = entry.figures.get(finding, {}).get("f1")
    if f1 is None:
        return "could not run" if entry.reason else "no labels"
    counts = f"{f1['positives']:,} of {f1['n']:,}"
    if f1["value"] is None or f1["low"] is None:
        return f"{UNDEFINED}, {counts}"
    return f"{f1['value']:.3f} ({f1['low']:.3f} to {f1['high']:.3f}), {counts}"


def _network(recipe: Recipe) -> str:
    return (
        recipe.backbone if recipe.head == "attention" else f"{recipe.backbone}, {recipe.head} head"
    )

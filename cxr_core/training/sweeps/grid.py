"""Trains several recipes on the same data and tabulates their figures on their own test splits.

Finished runs are kept and interrupted ones resumed, so the same call can be repeated until every recipe has its
figures. A recipe that cannot run keeps its place in the table, with the reason.
"""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cxr_core.errors import RecipeError, RunError, SilhouetteError
from cxr_core.presentation.wording import finding_in_sentence
from cxr_core.training.fit import FitOptions, fit, resume
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.run_data import absolute_folders, find_run, is_run_of
from cxr_core.training.runs.figures import RunFigure, collect_figures

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
    "reason",
)
FindingFigures = Mapping[str, RunFigure]  # by name


@dataclass(frozen=True, kw_only=True)
class GridEntry:
    """One recipe of the grid. figures: on the test split, by finding and name; without them, reason says why."""

    recipe: Recipe
    run: Path
    figures: Mapping[str, FindingFigures] = field(default_factory=dict)
    reason: str = ""

    @property
    def balance(self) -> str:
        """`balanced` when positive films are oversampled."""
        return "unbalanced" if self.recipe.balance == "none" else "balanced"

    @property
    def row(self) -> str:
        """What the two balances of one network share."""
        return self.recipe.name.replace("-unbalanced", "").replace("-balanced", "")


def run_grid(
    recipes: Sequence[Recipe],
    data: Sequence[str | Path],
    home: Path,
    options: FitOptions,
    evaluate: Callable[[Path], object],
) -> Iterator[GridEntry]:
    """Each recipe's entry as it is done. home: the folder of the runs.

    evaluate: writes the evaluation of a finished run's test split into the run.
    """
    for recipe in recipes:
        run = home / recipe.name
        if options.stop():
            yield GridEntry(recipe=recipe, run=run, reason="not begun: the grid was stopped")
            continue
        try:
            figures = _train_and_evaluate(recipe, data, run, options, evaluate)
            yield GridEntry(recipe=recipe, run=run, figures=figures)
        except SilhouetteError as error:
            yield GridEntry(recipe=recipe, run=run, reason=str(error))


def split_into_stages(recipe: Recipe) -> dict[str, Recipe]:
    """The stages of an attention recipe, in the source's order: from scratch, pretrained without attention, in full.

    Those before the last have average pooling instead of attention, and the stage in their name.
    Raises RecipeError for a recipe without an attention head.
    """
    if recipe.head != "attention":
        raise RecipeError(
            f"{recipe.name} has the head {recipe.head!r}; only recipes with attention have stages"
        )
    plain = replace(recipe, head="averaged")
    return {
        "scratch": replace(plain, name=f"{recipe.name}-scratch", init="scratch"),
        "pretrained": replace(plain, name=f"{recipe.name}-pretrained"),
        "full": recipe,
    }


def format_csv(entries: Sequence[GridEntry]) -> str:
    """A line per recipe and finding; for those without figures the reason, in the last column."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        for finding in entry.recipe.findings:
            writer.writerow(_csv_row(entry, finding))
    return out.getvalue()


def format_markdown(entries: Sequence[GridEntry]) -> str:
    """The source's table: F1 of each network, balanced and unbalanced; below it what could not run, and why."""
    lines: list[str] = []
    findings = [finding for entry in entries for finding in entry.recipe.findings]
    for finding in dict.fromkeys(findings):
        lines += [*_format_table(entries, finding), ""]
    failed = [entry for entry in entries if entry.reason]
    if failed:
        lines += ["Without figures:", ""]
        lines += [f"- {entry.recipe.name}: {entry.reason}" for entry in failed]
        lines.append("")
    return "\n".join(lines)


def _train_and_evaluate(
    recipe: Recipe,
    data: Sequence[str | Path],
    folder: Path,
    options: FitOptions,
    evaluate: Callable[[Path], object],
) -> Mapping[str, FindingFigures]:
    """The figures of one recipe's run, which is started, resumed or left as it is."""
    run = find_run(folder)
    if run is None:
        fit(recipe, data, options, run=folder)
    elif not is_run_of(run, recipe):
        raise RunError(
            f"{folder} holds a run of another recipe; give --run another folder, or move that one away"
        )
    elif run.load_manifest().folders != absolute_folders(data):
        raise RunError(
            f"{folder} holds a run on other data; give --run another folder, or move that one away"
        )
    elif not run.is_finished:
        resume(folder, options)
    if not _test_figures(folder):
        evaluate(folder)
    figures = _test_figures(folder)
    if not figures:
        raise RunError(f"{folder} has been evaluated, but not on a test split")
    return figures


def _test_figures(run: Path) -> dict[str, dict[str, RunFigure]]:
    figures: dict[str, dict[str, RunFigure]] = {}
    for figure in collect_figures(run):
        if figure.split == "test":
            figures.setdefault(figure.finding, {})[figure.name] = figure
    return figures


def _csv_row(entry: GridEntry, finding: str) -> list[object]:
    recipe, figures = entry.recipe, entry.figures.get(finding, {})
    f1, auroc = figures.get("f1"), figures.get("auroc")
    row: list[object] = [recipe.name, recipe.backbone, recipe.init, recipe.head]
    row += [entry.balance, finding]
    row += [f1.value, f1.low, f1.high, f1.n, f1.positives] if f1 else [None] * 5
    return [*row, auroc.value if auroc else None, entry.reason]


def _format_table(entries: Sequence[GridEntry], finding: str) -> list[str]:
    name = finding_in_sentence(finding)
    lines = [
        f"F1 for {name} on the test split, with 95 % intervals by patient, and positive films of all.",
        "",
        "| network | initial weights | balanced | unbalanced |",
        "|---|---|---|---|",
    ]
    for row in dict.fromkeys(entry.row for entry in entries):
        by_balance = {entry.balance: entry for entry in entries if entry.row == row}
        recipe = next(iter(by_balance.values())).recipe
        cells = [_format_cell(by_balance.get(balance), finding) for balance in BALANCES]
        lines.append(f"| {_describe_network(recipe)} | {recipe.init} | {' | '.join(cells)} |")
    return lines


def _format_cell(entry: GridEntry | None, finding: str) -> str:
    if entry is None:
        return ""
    f1 = entry.figures.get(finding, {}).get("f1")
    if f1 is None:
        return "could not run" if entry.reason else "no labels"
    counts = f"{f1.positives or 0:,} of {f1.n or 0:,}"
    if f1.value is None or f1.low is None:
        return f"undefined, {counts}"
    return f"{f1.value:.3f} ({f1.low:.3f} to {f1.high:.3f}), {counts}"


def _describe_network(recipe: Recipe) -> str:
    if recipe.head == "attention":
        return recipe.backbone
    return f"{recipe.backbone}, {recipe.head} head"

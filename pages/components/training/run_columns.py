"""The columns of the table of runs: what each shows of a run, and what it is sorted by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cxr_core.jobs.job import Job
from cxr_core.presentation.wording import finding_in_sentence, format_count
from cxr_core.training.recipe.field_help import field_label
from cxr_core.training.runs.compare import DESCRIPTIVE, format_setting
from cxr_core.training.runs.figures import FIGURE_LABELS, RunFigure
from cxr_core.training.runs.summary import RunSummary
from cxr_core.workspace.json_files import Json

RUN, STATE, VALIDATION, TEST, TEST_USES = "Run", "State", "Validation", "Test", "Test uses"
RECIPE, DATA, TAGS, STARTED, DURATION = "Recipe", "Data", "Tags", "Started", "Duration"
DEFAULT_COLUMNS = (STATE, VALIDATION, TEST, TEST_USES, RECIPE, DATA, TAGS, STARTED, DURATION)
SHOWN_WHERE_FILLED = (TEST, TEST_USES, TAGS)


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """One run of the table. data: its datasets by name.  test_uses: evaluations on the films it was tested on."""

    run: Job
    summary: RunSummary
    data: tuple[str, ...]
    test_uses: int | None = None
    is_baseline: bool = False


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column. text: what it shows of a run.  value: what it is sorted by, None for nothing.

    help: shown at its head.  is_number: whether its cells are aligned at the right.
    """

    text: Callable[[TableRow], str]
    value: Callable[[TableRow], float | str | None]
    help: str = ""
    is_number: bool = False


def list_columns(rows: Sequence[TableRow]) -> dict[str, Column]:
    """Every column that these runs have something for, by its title."""
    return {**FIXED_COLUMNS, **_figure_columns(rows), **_setting_columns(rows)}


def sort_rows(rows: Sequence[TableRow], column: Column, ascending: bool) -> list[TableRow]:
    """The rows in the order of a column; those without a value come last."""
    values = [(column.value(row), row) for row in rows]
    filled = [(value, row) for value, row in values if value not in (None, "")]
    empty = [row for value, row in values if value in (None, "")]
    are_numbers = all(isinstance(value, int | float) for value, _ in filled)

    def place(entry: tuple[float | str | None, TableRow]) -> Any:
        return entry[0] if are_numbers else str(entry[0]).casefold()

    in_order = sorted(filled, key=place, reverse=not ascending)
    return [*(row for _, row in in_order), *empty]


def describe_headline(figure: RunFigure | None) -> str:
    """`0.847 (0.708 to 0.900) AUROC, 624 films`: the figure that stands for a run, with its films."""
    if figure is None:
        return ""
    mean = f", mean of {figure.mean_of} findings" if figure.mean_of > 1 else ""
    films = f", {format_count(figure.n, 'films')}" if figure.n is not None else ""
    return f"{figure.text} {FIGURE_LABELS[figure.name]}{mean}{films}"


def label_setting(name: str) -> str:
    """The label of a recipe's field; of one in a table of the recipe with the table's name before it."""
    label = field_label(name)
    if "." not in name:
        return label
    return f"{name.partition('.')[0].capitalize()}: {label.lower()}"


def label_figure(split: str, finding: str, name: str) -> str:
    """`Validation AUROC, pneumonia`."""
    words = finding_in_sentence(finding) if finding else ""
    return ", ".join(filter(None, (f"{split.capitalize()} {FIGURE_LABELS[name]}", words)))


def duration_s(run: Job) -> float | None:
    """How long a run that has ended took, since its last start; None while it runs or waits."""
    if run.started is None or run.ended is None:
        return None
    return max(0.0, run.ended - run.started)


def format_hours(seconds: float | None) -> str:
    """`01:04:09`: hours, minutes and seconds; empty where it is not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"


def _name_of(row: TableRow) -> str:
    return f"Baseline: {row.run.name}" if row.is_baseline else row.run.name


def _value_of(figure: RunFigure | None) -> float | None:
    return figure.value if figure else None


def _started(run: Job) -> float | None:
    return run.started or run.submitted


def _format_start(run: Job) -> str:
    """`2 Dec 2026, 14:05`, in the server's time."""
    started = _started(run)
    if not started:
        return ""
    moment = datetime.fromtimestamp(started)
    return f"{moment.day} {moment:%b %Y, %H:%M}"


def _text_column(text: Callable[[TableRow], str]) -> Column:
    return Column(text=text, value=text)


def _join_tags(row: TableRow) -> str:
    return ", ".join(row.run.annotation.tags)


FIXED_COLUMNS = {
    RUN: _text_column(_name_of),
    STATE: _text_column(lambda row: row.run.state),
    VALIDATION: Column(
        text=lambda row: describe_headline(row.summary.validation),
        value=lambda row: _value_of(row.summary.validation),
        help="On validation films, with its 95 % interval where there is one. While a run trains, the best so far.",
    ),
    TEST: Column(
        text=lambda row: describe_headline(row.summary.test),
        value=lambda row: _value_of(row.summary.test),
        help="On the test films of the run's own data, where it was evaluated there.",
    ),
    TEST_USES: Column(
        text=lambda row: "" if row.test_uses is None else str(row.test_uses),
        value=lambda row: row.test_uses,
        help="How often models were evaluated on the same test films here. Choosing by a test set that was looked at "
        "often flatters the choice.",
        is_number=True,
    ),
    RECIPE: _text_column(lambda row: row.run.recipe),
    DATA: _text_column(lambda row: ", ".join(row.data)),
    TAGS: _text_column(_join_tags),
    STARTED: Column(
        text=lambda row: _format_start(row.run), value=lambda row: _started(row.run), is_number=True
    ),
    DURATION: Column(
        text=lambda row: format_hours(duration_s(row.run)),
        value=lambda row: duration_s(row.run),
        help="Hours, minutes and seconds; after a resume, since the last start.",
        is_number=True,
    ),
    "Note": _text_column(lambda row: row.run.annotation.note),
    "Device": _text_column(lambda row: row.run.device),
    "Model": _text_column(lambda row: row.run.model),
    "Changed from": _text_column(lambda row: row.run.retry_of),
    "Folder": _text_column(lambda row: row.run.id),
}


def _figure_columns(rows: Sequence[TableRow]) -> dict[str, Column]:
    keys = dict.fromkeys(
        (figure.split, figure.finding, figure.name)
        for row in rows
        for figure in row.summary.figures
    )
    return {label_figure(*key): _figure_column(key) for key in keys}


def _figure_column(key: tuple[str, str, str]) -> Column:
    def find(row: TableRow) -> RunFigure | None:
        for figure in row.summary.figures:
            if (figure.split, figure.finding, figure.name) == key:
                return figure
        return None

    def describe(row: TableRow) -> str:
        figure = find(row)
        return "" if figure is None else figure.text

    return Column(text=describe, value=lambda row: _value_of(find(row)))


def _setting_columns(rows: Sequence[TableRow]) -> dict[str, Column]:
    names = dict.fromkeys(name for row in rows for name in row.summary.settings)
    return {
        label_setting(name): _setting_column(name)
        for name in names
        if name not in (*DESCRIPTIVE, "model")
    }


def _setting_column(name: str) -> Column:
    def describe(row: TableRow) -> str:
        value = row.summary.settings.get(name)
        return "" if value is None else format_setting(value)

    return Column(text=describe, value=lambda row: _sortable(row.summary.settings.get(name)))


def _sortable(value: Json) -> float | str | None:
    if value is None or isinstance(value, int | float):
        return value
    return format_setting(value)

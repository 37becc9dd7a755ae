"""What people are shown of a model's card, on a page and in a report: training, labels, thresholds and figures."""

from collections.abc import Iterator

from cxr_core.decisions import ERRORS
from cxr_core.film.preprocess import InputSpec
from cxr_core.models.card import OPERATING_POINTS, ModelCard, OperatingPoint
from cxr_core.models.confident_normal import ConfidentNormal
from cxr_core.models.figures import Figure, MeanFigure, parse_figure
from cxr_core.presentation.wording import (
    FITTED_HERE,
    card_split_name,
    decision_name,
    format_count,
    format_exact_threshold,
    format_percent,
    operating_point_name,
)
from cxr_core.workspace.json_files import Json, JsonObject

FIGURE_NAMES = {
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "ece": "Calibration error",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
}
# The other figures depend on an operating point and are shown with its name.
THRESHOLD_FREE = ("auroc", "average_precision", "brier", "ece")
# Of a decision with two thresholds: the shares of films that get the right verdict.
DECISION_FIGURES = {
    "present_suspected": "Films with the finding that are suspected",
    "absent_not_suspected": "Films without it that are not suspected",
}
LABELS_AND_READERS = "Labels and readers"
SPLIT_LABELS = {"train": "Trained on", "val": "Tuned on"}
HASHES = {"name": "Dataset", "sha256": "Dataset", "data_sha256": "Dataset", "split_sha256": "Split"}


def describe_input(spec: InputSpec) -> str:
    """`128 × 128 px, of films reduced to 64 × 64 px and blurred by 0.7 px`."""
    size = f"{spec.side} × {spec.side} px"
    if spec.reduce_to is None:
        return size
    size += f", of films reduced to {spec.reduce_to} × {spec.reduce_to} px"
    return f"{size} and blurred by {spec.blur:g} px" if spec.blur else size


def list_training_facts(training: JsonObject, finding: str) -> Iterator[tuple[str, str]]:
    """What a card records about its training; older cards record less."""
    if "summary" in training:
        names = (training.get("recipe"), training["summary"])  # the summary is the recipe's own
        yield "Recipe", ": ".join(str(name) for name in names if name)
    splits = _object(_object(training.get("data")).get("parts"))
    for split, label in SPLIT_LABELS.items():
        if split in splits:
            yield label, _describe_split(_object(splits[split]), finding)
    if "terms" in training:
        yield "Data", str(training["terms"])


def list_data_hashes(training: JsonObject) -> Iterator[tuple[str, str]]:
    """Which data a model was trained on: the dataset's name, and the hashes of data and split."""
    data = _object(training.get("data"))
    for key, name in HASHES.items():
        if key in data:
            yield name if key == "name" else f"{name}, SHA-256", str(data[key])


def list_label_facts(card: ModelCard, finding: str) -> Iterator[tuple[str, str]]:
    """How the labels differ from readers, and which of them the thresholds were chosen without."""
    noise, repair = card.label_noise.get(finding), card.label_repair.get(finding)
    if noise is not None:
        yield LABELS_AND_READERS, f"{noise.describe()} Source: {noise.source}."
    if repair is not None:
        yield "Thresholds chosen without", repair.describe()


def list_thresholds(points: tuple[OperatingPoint, ...]) -> Iterator[tuple[str, str]]:
    """Operating points by their source: `Balanced 6.0 %, sensitive 3.1 %` and where they come from."""
    by_source: dict[str, list[str]] = {}
    for point in points:
        name = operating_point_name(point.name)
        threshold = f"{name} {format_exact_threshold(point.threshold)}"
        by_source.setdefault(point.source, []).append(threshold)
    for source, (first, *others) in by_source.items():
        yield ", ".join([first, *(f"{name[0].lower()}{name[1:]}" for name in others)]), source


def describe_confident_normal(confident: ConfidentNormal) -> str:
    """The threshold below which a film is likely normal, with its source and what it gives on test films."""
    normal, share = (
        _format_mean(f) for f in (confident.negative_predictive_value, confident.share)
    )
    return (
        f"Likely normal: below {format_exact_threshold(confident.threshold)}, from {confident.source}. Share of normal "
        f"films below it {normal}, share of all films below it {share}, at a prevalence of "
        f"{format_percent(confident.prevalence)}"
    )


def tabulate_card_figures(card: ModelCard, finding: str, digits: int = 2) -> list[dict[str, str]]:
    """One row per figure, and one column per set of films that it was measured on.

    The first column is `Figure`. Each cell has the value with its 95 % interval, and the positives of all films; it is
    empty where nothing was measured. digits: decimals.
    """
    rows: dict[str, dict[str, str]] = {}
    columns = ["Figure"]
    for split, findings in card.metrics.items():
        column = card_split_name(split)
        found = _list_figures(_object(_object(findings).get(finding)))
        figures = {label: figure for label, figure in found if figure is not None}
        if figures:
            columns.append(column)
        for label, figure in figures.items():
            row = rows.setdefault(label, {"Figure": label})
            row[column] = _format_figure(figure, digits)
            if split == "validation" and label == FIGURE_NAMES["ece"]:
                row[column] += f", {FITTED_HERE}"
    return [{column: row.get(column, "") for column in columns} for row in rows.values()]


def _describe_split(split: JsonObject, finding: str) -> str:
    films, patients = (_count(split.get(name)) for name in ("films", "patients"))
    text = f"{format_count(films, 'films')} of {format_count(patients, 'patients')}"
    positives = _object(split.get("positives")).get(finding)
    if positives is not None:
        text += f", {positives:,} of them with the finding"
    return text


def _format_mean(figure: MeanFigure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "undefined"
    return f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f}; {figure.n:,} films)"


def _format_figure(figure: Figure, digits: int) -> str:
    count = f"{figure.positives:,} of {figure.n:,}"
    if figure.value is None or figure.low is None or figure.high is None:
        return f"undefined · {count}"
    value, low, high = (f"{each:.{digits}f}" for each in (figure.value, figure.low, figure.high))
    return f"{value} ({low} to {high}) · {count}"


def _list_figures(record: JsonObject) -> Iterator[tuple[str, Figure | None]]:
    """A finding's figures with their labels; those of a view, an operating point or a decision are nested deeper.

    None for what a card keeps in the place of a figure.
    """
    for name, value in record.items():
        entry = _object(value)
        if name in THRESHOLD_FREE:
            yield FIGURE_NAMES[name], parse_figure(value)
        elif name == "views":
            for view, figures in entry.items():
                yield f"AUROC, {view} films only", parse_figure(_object(figures).get("auroc"))
        elif name in OPERATING_POINTS:
            yield from _list_point_figures(name, entry)
        elif name == "decisions":
            for decision in ERRORS:
                shares = _object(entry.get(decision))
                for key, label in DECISION_FIGURES.items():
                    yield (
                        f"{label}, {decision_name(decision).lower()}",
                        parse_figure(shares.get(key)),
                    )


def _list_point_figures(point: str, figures: JsonObject) -> Iterator[tuple[str, Figure | None]]:
    for key, figure in figures.items():
        if key in FIGURE_NAMES:
            yield (
                f"{FIGURE_NAMES[key]}, {operating_point_name(point).lower()}",
                parse_figure(figure),
            )


def _list_decision_figures(decisions: JsonObject) -> Iterator[tuple[str, Figure | None]]:
    for decision in ERRORS:
        shares = _object(decisions.get(decision))
        for key, label in DECISION_FIGURES.items():
            yield f"{label}, {decision_name(decision).lower()}", parse_figure(shares.get(key))


def _count(value: Json) -> int:
    """A number of a card; 0 for anything else."""
    return value if isinstance(value, int) else 0


def _object(value: Json) -> JsonObject:
    """A value of a card as an object; empty where an older card has none."""
    return value if isinstance(value, dict) else {}

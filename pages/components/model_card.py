"""Shows a model's card: what it was trained on, and how well it does on one finding."""

from collections.abc import Iterator

import streamlit as st

from cxr_core.film.preprocess import InputSpec
from cxr_core.models.card import OPERATING_POINTS, ModelCard
from cxr_core.models.confident_normal import ConfidentNormal
from cxr_core.models.figures import Figure, MeanFigure, parse_figure
from cxr_core.presentation.wording import (
    FITTED_HERE,
    WITH_RATIO,
    card_split_name,
    format_count,
    format_exact_threshold,
    format_percent,
    operating_point_name,
)
from cxr_core.workspace.json_files import Json, JsonObject
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.read.page_state import ReadPageState

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
SPLIT_LABELS = {"train": "Trained on", "val": "Tuned on"}


def offer_card(state: ReadPageState, card: ModelCard, finding: str) -> None:
    """A small button that opens a model's card; nothing of the card is rendered before."""
    clicked = st.button(
        "About the model",
        key=state.widget_key(f"about-{finding}-{card.model}"),
        type="tertiary",
        icon=":material/info:",
        help=f"{plain(card.model)} {plain(card.version)}: what it was trained on, and how well it does.",
    )
    if clicked:
        show_card_dialog(card, finding)


@st.dialog("About this model", width="large")
@show_errors()
def show_card_dialog(card: ModelCard, finding: str) -> None:
    """A model's card for one finding, in a dialog."""
    show_card(card, finding)


def show_card(card: ModelCard, finding: str) -> None:
    """What a model was trained on, its figures and its thresholds for one finding."""
    name = plain(card.finding_in_sentence(finding))
    st.markdown(f"**{plain(card.model)}** {plain(card.version)} · {name}")
    definition = card.describe_finding(finding)
    details = [
        *([("Definition", definition)] if definition else []),
        ("Intended population", card.population.text),
        *_list_training_facts(card.training, finding),
        *_list_label_facts(card, finding),
        *[
            ("Size and file format", of_finding[finding].describe())
            for of_finding in card.resolution.values()
            if finding in of_finding
        ],
    ]
    st.markdown("\n".join(f"- **{name}:** {plain(value)}" for name, value in details))
    rows = _tabulate_figures(card, finding)
    if rows:
        st.markdown(
            "**Performance** with 95 % intervals, and the number of positive films among all films"
        )
        st.table(rows, border="horizontal", hide_header=False, hide_index=True)
        if finding in card.fusion:
            st.caption(WITH_RATIO)
    points = [
        f"- {operating_point_name(point.name)}: {format_exact_threshold(point.threshold)}, from {plain(point.source)}"
        for point in card.operating_points[finding]
    ]
    confident = card.confident_normal.get(finding)
    if confident is not None:
        points.append(f"- {plain(_describe_confident_normal(confident))}")
    st.markdown("\n".join(["**Thresholds**", *points]))
    st.caption(
        f"Calibration: {plain(card.calibration[finding].source)}. Input {_describe_input(card.input_spec)}. "
        f"Weights: SHA-256 {card.weights_sha256[:12]}…"
    )


def _describe_input(spec: InputSpec) -> str:
    """`128 × 128 px, of films reduced to 64 × 64 px and blurred by 0.7 px`."""
    size = f"{spec.side} × {spec.side} px"
    if spec.reduce_to is None:
        return size
    size += f", of films reduced to {spec.reduce_to} × {spec.reduce_to} px"
    return f"{size} and blurred by {spec.blur:g} px" if spec.blur else size


def _describe_confident_normal(confident: ConfidentNormal) -> str:
    normal, share = (
        _format_mean(f) for f in (confident.negative_predictive_value, confident.share)
    )
    return (
        f"Likely normal: below {format_exact_threshold(confident.threshold)}, from {confident.source}. Share of normal "
        f"films below it {normal}, share of all films below it {share}, at a prevalence of "
        f"{format_percent(confident.prevalence)}"
    )


def _format_mean(figure: MeanFigure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "undefined"
    return f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f}; {figure.n:,} films)"


def _list_training_facts(training: JsonObject, finding: str) -> Iterator[tuple[str, str]]:
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


def _list_label_facts(card: ModelCard, finding: str) -> Iterator[tuple[str, str]]:
    """How the labels differ from readers, and which of them the thresholds were chosen without."""
    noise, repair = card.label_noise.get(finding), card.label_repair.get(finding)
    if noise is not None:
        yield "Labels and readers", f"{noise.describe()} Source: {noise.source}."
    if repair is not None:
        yield "Thresholds chosen without", repair.describe()


def _describe_split(split: JsonObject, finding: str) -> str:
    films, patients = (_count(split.get(name)) for name in ("films", "patients"))
    text = f"{format_count(films, 'films')} of {format_count(patients, 'patients')}"
    positives = _object(split.get("positives")).get(finding)
    if positives is not None:
        text += f", {positives:,} of them with the finding"
    return text


def _tabulate_figures(card: ModelCard, finding: str) -> list[dict[str, str]]:
    """One row per figure, and one column per set of films that it was measured on."""
    rows: dict[str, dict[str, str]] = {}
    columns = ["Figure"]
    for split, findings in card.metrics.items():
        column = plain(card_split_name(split))
        found = _list_figures(_object(_object(findings).get(finding)))
        figures = {label: figure for label, figure in found if figure is not None}
        if figures:
            columns.append(column)
        for label, figure in figures.items():
            row = rows.setdefault(label, {"Figure": plain(label)})
            row[column] = _format_figure(figure)
            if split == "validation" and label == FIGURE_NAMES["ece"]:
                row[column] += f", {FITTED_HERE}"
    return [{column: row.get(column, "") for column in columns} for row in rows.values()]


def _format_figure(figure: Figure) -> str:
    count = f"{figure.positives:,} of {figure.n:,}"
    if figure.value is None or figure.low is None or figure.high is None:
        return f"undefined · {count}"
    return f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f}) · {count}"


def _list_figures(record: JsonObject) -> Iterator[tuple[str, Figure | None]]:
    """A finding's figures with their labels; those of a view or an operating point are nested one level deeper.

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
            point = operating_point_name(name).lower()
            for inner, figure in entry.items():
                if inner in FIGURE_NAMES:
                    yield f"{FIGURE_NAMES[inner]}, {point}", parse_figure(figure)


def _count(value: Json) -> int:
    """A number of a card; 0 for anything else."""
    return value if isinstance(value, int) else 0


def _object(value: Json) -> JsonObject:
    """A value of a card as an object; empty where an older card has none."""
    return value if isinstance(value, dict) else {}

"""Turns installed models, their versions and their history into table rows."""

from collections.abc import Iterable, Mapping, Sequence

from cxr_core.models.card import ModelCard
from cxr_core.models.figures import MeanFigure, parse_mean_figure, recorded_figure
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.presentation.wording import card_split_name, finding_name, format_count
from cxr_core.promotion.gate.verdict import describe_damage, read_verdict
from pages.components.markdown import plain
from pages.components.models.installed_models import InstalledModel, Version

Rows = list[dict[str, str]]
TEST_SPLITS = {"test": "", "test_combined": " with the ratio"}  # parts of a card's metrics
SEGMENTATION_FIGURES = {
    "dice_heart": "Dice, heart",
    "dice_left_lung": "Dice, left lung",
    "dice_right_lung": "Dice, right lung",
    "measured": "Share of films measured",
    "ratio_mae": "Ratio: mean absolute error",
    "ratio_bias": "Ratio: bias",
    "coverage": "Ratio: share within the 95 % interval",
}


def model_rows(models: Iterable[InstalledModel]) -> Rows:
    """A row per model: its output, its population, its active version, its AUROC on test films."""
    return [
        {
            "Model": plain(model.name),
            "Output": plain(_describe_output(model.shown)),
            "Intended population": plain(_describe_population(model.shown)),
            "Active version": plain(model.active.name) if model.active else "none: not in use",
            "Versions": str(len(model.versions)),
            "AUROC, test films": _format_auroc(model.shown),
        }
        for model in models
    ]


def version_rows(versions: Sequence[Version]) -> Rows:
    """A row per version, the highest first: its origin, and the gate's verdict."""
    return [
        {
            "Version": plain(version.name) + (" **active**" if version.is_active else ""),
            "Origin": plain(_describe_origin(version)),
            "When (UTC)": plain(_format_time(version.imported or version.publication.when)),
            "Note": plain(version.publication.note),
            "Gate": _describe_gate(version),
            "AUROC, test films": _format_auroc(version),
        }
        for version in reversed(versions)
    ]


def history_rows(history: Iterable[Mapping[str, object]]) -> Rows:
    """A row per change of the active version, the newest first."""
    return [
        {
            "When (UTC)": plain(_format_time(str(change.get("when", "")))),
            "Change": plain(f"{change.get('what', '')} {change.get('version') or ''}"),
            "Before": plain(
                str(change.get("before", "")) or ("none" if "before" in change else "")
            ),
            "Reason": plain(str(change.get("note", ""))),
            "Against the gate": plain(str(change.get("override", ""))),
        }
        for change in history
    ]


def segmentation_rows(card: SegmenterCard) -> Rows:
    """A row per figure of a segmentation model with its 95 % interval, on each split that it was measured on."""
    rows = []
    for name, label in SEGMENTATION_FIGURES.items():
        if any(name in figures for figures in card.metrics.values()):
            row = {"Figure": label}
            for split, figures in card.metrics.items():
                row[card_split_name(split)] = _format_mean_figure(
                    parse_mean_figure(figures.get(name))
                )
            rows.append(row)
    return rows


def _format_mean_figure(figure: MeanFigure | None) -> str:
    if figure is None:
        return ""
    if figure.value is None:
        return "undefined"
    interval = ""
    if figure.low is not None and figure.high is not None:
        interval = f" ({figure.low:z.3f} to {figure.high:z.3f})"
    return f"{figure.value:z.3f}{interval} · {format_count(figure.n, 'films')}"


def _describe_output(version: Version) -> str:
    if isinstance(version.card, ModelCard):
        return ", ".join(finding_name(finding) for finding in version.card.findings)
    return "contours of heart and lungs" if version.card else "unknown: its card cannot be read"


def _describe_population(version: Version) -> str:
    return version.card.population.text if version.card else "unknown"


def _describe_origin(version: Version) -> str:
    if version.is_shipped:
        return "shipped with the program"
    if version.imported:  # whatever run its card names was elsewhere
        return "imported from a zip file"
    if version.publication.run:
        return f"run {version.publication.run}"
    return "installed by hand"


def _describe_gate(version: Version) -> str:
    verdict = read_verdict(version.folder)
    if verdict is None:
        return "damaged" if describe_damage(version.folder) else "not run"
    answer = "open" if verdict.is_open else "closed, published against it"
    return f"{answer} (where it came from)" if version.imported else answer


def _format_time(iso: str) -> str:
    return iso.replace("T", " ").removesuffix("+00:00")


def _format_auroc(version: Version) -> str:
    """The AUROC of each finding with its interval; also fused with the measured ratio, where a reading fuses both."""
    card = version.card
    if not isinstance(card, ModelCard):
        return ""
    phrases = []
    for part, how in TEST_SPLITS.items():
        for finding in card.findings:
            auroc = recorded_figure(card.metrics, part, finding, "auroc")
            if auroc is None or auroc.value is None or auroc.low is None or auroc.high is None:
                continue
            name = f"{finding_name(finding)} " if len(card.findings) > 1 else ""
            films = f"{format_count(auroc.n, 'films')}, {auroc.positives:,} positive"
            interval = f"{auroc.value:.3f} ({auroc.low:.3f} to {auroc.high:.3f})"
            phrases.append(f"{name}{interval}{how} · {films}")
    return plain("; ".join(phrases)) or "not measured"

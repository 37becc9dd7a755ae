"""Installed models, versions and history as rows of tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cxr_core.models.card import ModelCard
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.presentation.wording import finding_name
from cxr_core.promotion.gate.verdict import read_verdict
from pages.components.markdown import plain
from pages.components.models.installed_models import Model, Version

Rows = list[dict[str, str]]
OFFICIAL_TESTS = {"test": "", "test_combined": " with the ratio"}  # parts of a card's metrics
OUTLINE_FIGURES = {
    "dice_heart": "Dice, heart",
    "dice_left_lung": "Dice, left lung",
    "dice_right_lung": "Dice, right lung",
    "measured": "Share of films measured",
    "ratio_mae": "Error of the ratio, mean",
    "ratio_bias": "Error of the ratio, with its sign",
    "coverage": "Share of ratios in their intervals",
}


def model_rows(models: Iterable[Model]) -> Rows:
    """A row per model: what it tells, for whom, which version is in use, its figure on the official test."""
    return [
        {
            "Model": plain(model.name),
            "Tells": plain(_tells(model.used)),
            "Made for": plain(model.used.card.population.text if model.used.card else "unknown"),
            "In use": plain(model.used.name),
            "Versions": str(len(model.versions)),
            "AUROC, official test": _auroc(model.used),
        }
        for model in models
    ]


def version_rows(versions: Sequence[Version]) -> Rows:
    """A row per version, the highest first: where it is from, and what the gate said of it."""
    return [
        {
            "Version": plain(each.name) + (" **in use**" if each.used else ""),
            "From": "shipped with the program" if each.shipped else plain(_origin(each)),
            "When (UTC)": plain(
                str(each.published.get("when", "")).replace("T", " ").removesuffix("+00:00")
            ),
            "Why": plain(str(each.published.get("note", ""))),
            "Gate": _gate(each),
            "AUROC, official test": _auroc(each),
        }
        for each in reversed(versions)
    ]


def history_rows(history: Iterable[Mapping[str, Any]]) -> Rows:
    """A row per change of the version in use, the newest first."""
    return [
        {
            "When (UTC)": plain(str(each.get("when", "")).replace("T", " ").removesuffix("+00:00")),
            "What": plain(f"{each.get('what', '')} {each.get('version', '')}"),
            "Before": plain(str(each.get("before", ""))) or "none",
            "Why": plain(str(each.get("note", ""))),
            "Against the gate": plain(str(each.get("override", ""))),
        }
        for each in history
    ]


def outline_rows(card: SegmenterCard) -> Rows:
    """A row per figure of a model that outlines, with its 95 % interval, on each part that it was measured on."""
    return [
        {
            "Figure": words,
            **{
                f"On {part} films": _interval(figures.get(name, {}))
                for part, figures in card.metrics.items()
            },
        }
        for name, words in OUTLINE_FIGURES.items()
        if any(name in figures for figures in card.metrics.values())
    ]


def _interval(figure: Mapping[str, Any]) -> str:
    if figure.get("value") is None:
        return "undefined" if figure else ""
    bounds = "" if figure.get("low") is None else f" ({figure['low']:.3f} to {figure['high']:.3f})"
    return f"{figure['value']:.3f}{bounds} · {figure['n']:,} films"


def _tells(version: Version) -> str:
    if isinstance(version.card, ModelCard):
        return ", ".join(finding_name(key) for key in version.card.findings)
    return "outlines of heart and lungs" if version.card else "unknown"


def _origin(version: Version) -> str:
    run = version.published.get("run")
    return f"run {run}" if run else "put there by hand"


def _gate(version: Version) -> str:
    verdict = read_verdict(version.folder)
    if verdict is None:
        return "not asked"
    return "open" if verdict.opens else "shut, published against it"


def _auroc(version: Version) -> str:
    """The figure with its interval, of each finding; and with the measured ratio, where a reading combines both."""
    if not isinstance(version.card, ModelCard):
        return ""
    said = []
    for part, how in OFFICIAL_TESTS.items():
        for key, figures in version.card.metrics.get(part, {}).items():
            auroc = figures.get("auroc", {})
            if auroc.get("value") is not None and auroc.get("low") is not None:
                name = f"{finding_name(key)} " if len(version.card.findings) > 1 else ""
                said.append(
                    f"{name}{auroc['value']:.3f} ({auroc['low']:.3f} to {auroc['high']:.3f}){how}"
                )
    return plain("; ".join(said)) or "not measured"

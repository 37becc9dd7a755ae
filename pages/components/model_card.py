"""What a model was trained on and how well it did, one click away from its number."""

from collections.abc import Iterator
from typing import Any

import streamlit as st

from cxr_core.models.card import ModelCard
from cxr_core.reading.wording import finding_name, operating_point_name, per_cent
from pages.components.markdown import plain


def about_model(card: ModelCard, finding: str) -> None:
    """A small button that unfolds a model's card: what it was trained on and its figures for one finding."""
    with st.popover(f"About {plain(card.model)}", type="tertiary", icon=":material/info:"):
        st.markdown(f"**{plain(card.model)}** {plain(card.version)}: {plain(finding_name(finding).lower())}")
        facts = [("Made for", card.population.text), *_facts(card.training)]
        st.markdown("\n".join(f"- **{plain(name)}:** {plain(value)}" for name, value in facts))
        figures = list(_figures(card.metrics, finding))
        if figures:
            st.markdown("**How well it did**, with 95 % intervals")
            st.table(figures, border="horizontal", hide_header=False, hide_index=True)
        points = [
            f"- {plain(operating_point_name(point.name))}: {plain(per_cent(point.threshold))}, "
            f"from {plain(point.source)}"
            for point in card.operating_points[finding]
        ]
        st.markdown("\n".join(["**Thresholds**", *points]))
        st.caption(
            f"Calibration: {plain(card.calibration[finding].source)}. Input {card.input_spec.side} × "
            f"{card.input_spec.side} px. Weights sha256 {card.weights_sha256[:12]}…"
        )


def _facts(training: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The card's free-form training table, one line per entry that people can read."""
    for name, value in training.items():
        if isinstance(value, list | tuple):
            value = ", ".join(str(item) for item in value)
        if isinstance(value, str | int | float):
            yield name.replace("_", " ").capitalize(), str(value)


def _figures(metrics: dict[str, Any], finding: str) -> Iterator[dict[str, str]]:
    """Rows of the figures that the card holds for one finding: part -> finding -> figure."""
    for part, findings in metrics.items():
        for name, figure in findings.get(finding, {}).items():
            if isinstance(figure, dict) and "value" in figure:
                yield {
                    "Films": plain(part),
                    "Figure": plain(name),
                    "Value": f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})",
                    "Positive / all": f"{figure['positives']} / {figure['n']}",
                }

"""What is known of a model's heatmaps, in a sentence for whoever looks at one."""

from collections.abc import Mapping
from typing import Any

from cxr_core.models.card import ModelCard
from cxr_core.reading.wording import finding_name


def heat_words(card: ModelCard, finding: str) -> str | None:
    """How often the heatmap's strongest point lay in boxes that readers drew, beside the image's centre.

    None where the card records no such comparison. The figures are those of `metrics.PART.FINDING.localisation`, of the
    pointing game without tolerance.
    """
    for part in card.metrics.values():
        found = part.get(finding, {}).get("localisation")
        if found:
            return _sentence(found, finding)
    return None


def _sentence(found: Mapping[str, Any], finding: str) -> str:
    plain = found["pointing"][0]
    hit, centre, difference = (plain[name] for name in ("hit", "centre", "minus_centre"))
    shares = (
        f"on {found['films']:,} films where a reader drew a box around {finding_name(finding).lower()}, the map's "
        f"strongest point lay in it on {_share(hit)}, the middle of the image on {_share(centre)}"
    )
    if difference["low"] is not None and difference["low"] > 0:
        return f"This map points better than the middle of the image does: {shares}."
    if difference["high"] is not None and difference["high"] < 0:
        return f"This map does not show where the finding is: {shares}. It shows what moved the probability."
    return f"Whether this map shows where the finding is cannot be told: {shares}."


def _share(figure: Mapping[str, Any]) -> str:
    """A share of films as whole per cent; unlike a probability it may be 0 or 100."""
    return "an unknown share" if figure["value"] is None else f"{100 * figure['value']:.0f} %"

"""What is known of a model's heatmaps, in a sentence for whoever looks at one."""

from collections.abc import Mapping
from typing import Any

from cxr_core.models.card import ModelCard
from cxr_core.presentation.wording import finding_name

MOST = 0.5  # of the boxes


def heat_words(card: ModelCard, finding: str) -> str | None:
    """How often the heatmap's strongest point lay in boxes that readers drew, beside the image's centre.

    None where the card records no such comparison. The figures are those of `metrics.PART.FINDING.localisation`, of the
    pointing game without tolerance.
    """
    found = _recorded(card, finding)
    if found is None:
        return None
    plain = found["pointing"][0]
    shares = (
        f"on {found['films']:,} films where a reader drew a box around {finding_name(finding).lower()}, the map's "
        f"strongest point lay in it on {_share(plain['hit'])}, the middle of the image on {_share(plain['centre'])}"
    )
    if plain["minus_centre"]["low"] is not None and plain["minus_centre"]["low"] > 0:
        return f"This map points better than the middle of the image does: {shares}."
    if points_elsewhere(card, finding):
        return f"This map does not show where the finding is: {shares}. It shows what moved the probability."
    if plain["hit"]["low"] is not None and plain["hit"]["low"] > MOST:
        inside = found["inside"]
        return (
            f"This map shows the region, not its borders: {shares}. Of its evidence {_share(inside['share'])} lay in "
            f"the boxes, which cover {_share(inside['area'])} of the image."
        )
    return f"Whether this map shows where the finding is cannot be told: {shares}."


def points_elsewhere(card: ModelCard, finding: str) -> bool:
    """Whether the heatmap is known to point beside the finding on most films, so that it is not shown unasked.

    Known is that by the 95 % intervals it hits less than MOST of the boxes, and fewer than the image's centre does:
    where boxes are small, few hits may still be better than any fixed point.
    """
    found = _recorded(card, finding)
    if found is None:
        return False
    plain = found["pointing"][0]
    return (
        plain["hit"]["high"] is not None
        and plain["hit"]["high"] < MOST
        and _worse_than_the_middle(plain)
    )


def _worse_than_the_middle(plain: Mapping[str, Any]) -> bool:
    high = plain["minus_centre"]["high"]
    return high is not None and high < 0


def _recorded(card: ModelCard, finding: str) -> Mapping[str, Any] | None:
    """Of several comparisons that with the most films."""
    parts = (part.get(finding, {}).get("localisation") for part in card.metrics.values())
    return max((found for found in parts if found), key=lambda found: found["films"], default=None)


def _share(figure: Mapping[str, Any]) -> str:
    """A share of films as whole per cent; unlike a probability it may be 0 or 100."""
    return "an unknown share" if figure["value"] is None else f"{100 * figure['value']:.0f} %"

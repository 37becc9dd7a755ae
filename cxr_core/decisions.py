"""Lists the decisions that a verdict can rest on: their names, errors and operating points. It imports nothing."""

from collections.abc import Mapping

# Decisions with two thresholds, and the share of films of each class that they may misjudge.
ERRORS: Mapping[str, float] = {"standard": 0.10, "strict": 0.05}
# Decisions with a single threshold, and their operating points in a card.
SINGLE_THRESHOLDS: Mapping[str, str] = {
    "balanced": "youden",
    "sensitive": "sensitivity_95",
    "specific": "specificity_95",
}
DECISIONS = (*ERRORS, *SINGLE_THRESHOLDS)
DEFAULT_DECISION = "standard"
# The share of normal films among those that are called likely normal.
CONFIDENT_NORMAL = 0.97

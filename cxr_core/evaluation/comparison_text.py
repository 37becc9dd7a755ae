"""A comparison in lines of text."""

from collections.abc import Iterator

from cxr_core.evaluation.compare import MEASURED, Comparison
from cxr_core.evaluation.metrics.multiple_testing import Corrected
from cxr_core.models.figures import Figure


def comparison_lines(found: Comparison) -> Iterator[str]:
    """What to beware of, then for each finding the figures of each evaluation, and the differences of each pair."""
    yield from (f"! {warning}" for warning in found.warnings)
    for key, finding in found.findings.items():
        yield f"{key}: {finding.positives} of {finding.n} films positive, {finding.patients} patients"
        for who, figures in finding.figures.items():
            yield f"  {who}: " + ", ".join(f"{name} {_short(figures[name])}" for name in MEASURED)
        for (one, other), apart in finding.differences.items():
            yield f"  {one} - {other}: " + ", ".join(
                f"{name} {_short(apart[name])}" for name in MEASURED
            )
            p = apart["auroc"].p_adjusted
            yield f"    AUROC p {'undefined' if p is None else f'{p:.3g}'}, by {finding.auroc_by}"


def _short(figure: Figure | Corrected) -> str:
    if figure.value is None:
        return "undefined"
    bounds = "" if figure.low is None else f" ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.3f}{bounds}"

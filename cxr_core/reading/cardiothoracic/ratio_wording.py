"""How a measured ratio is put into words, the same in reports, on pages and in a shell."""

from cxr_core.presentation.wording import format_percent
from cxr_core.reading.cardiothoracic.fusion import Parts
from cxr_core.reading.cardiothoracic.ratio import ENLARGED, Measurement


def ratio_text(value: float) -> str:
    """A ratio with two decimals, and with a third where two would hide on which side of the limit it lies."""
    rough = f"{value:.2f}"
    return f"{value:.3f}" if float(rough) == ENLARGED != value else rough


def ratio_words(measured: Measurement) -> str:
    """A cardiothoracic ratio with its interval, or that there is none and why."""
    if measured.value is None:
        return f"cannot be measured: {' '.join(measured.reasons)}"
    found = ratio_text(measured.value)
    if measured.low is not None and measured.high is not None:
        found += f" (95 % interval {ratio_text(measured.low)} to {ratio_text(measured.high)})"
    return f"{found}, edited by hand" if measured.edited else found


def diameter_words(measured: Measurement) -> str | None:
    """Both diameters, to the whole mm or px; None where there are none."""
    if measured.diameters is None or measured.value is None:
        return None
    heart, thorax = measured.diameters
    return f"heart {heart:.0f} {measured.unit}, thorax {thorax:.0f} {measured.unit}"


def parts_words(parts: Parts | None) -> str | None:
    """Who said what of a combined probability: `network 12 %, ratio 0.56`; None where only the network spoke."""
    return (
        None
        if parts is None
        else f"network {format_percent(parts.classifier)}, ratio {ratio_text(parts.value)}"
    )

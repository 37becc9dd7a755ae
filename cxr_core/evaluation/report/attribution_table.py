"""Where a classifier's evidence lies, as a table of its report."""

from collections.abc import Iterator, Mapping
from typing import Any

from cxr_core.evaluation.report.parts import cell
from cxr_core.presentation.html import element, table

REGIONS = {"chest": "Heart and lungs", "heart": "Heart alone"}


def heat_table(heat: Mapping[str, Any]) -> Iterator[str]:
    """heat: as `heat.heat_figures` and the counts of `evaluate_heat.heat_in_chest` give them."""
    rows = [
        [
            f"{REGIONS[region]}, {who}",
            *(cell(of[region][name]) for name in ("share", "control", "difference")),
        ]
        for region in REGIONS
        for who, of in (("all films", heat), ("films labelled present", heat["present"]))
        if region in of
    ]
    yield table(
        ("Positive evidence inside", "Share", "Area of the region", "Difference"), rows, "wide"
    )
    outlines = heat["outlines"]
    yield element(
        "p",
        f"Outlined by {outlines['model']} {outlines['version']}. A map without any preference would have the region's "
        f"area as its share. Of {heat['films']:,} films, {heat['without_outlines']:,} could not be outlined and "
        f"{heat['without_evidence']:,} have no positive evidence; both are left out.",
        "quiet",
    )

"""Where the heatmap lies: in heart and lungs, and in the boxes that a hand has drawn, beside its controls."""

from collections.abc import Iterator, Mapping
from typing import Any

import streamlit as st

from pages.components.evaluation.figures import cell_of
from pages.components.evaluation.localisation import show_localisation
from pages.components.markdown import plain


def show_where(figures: Mapping[str, Any]) -> None:
    """What was measured of heatmaps, as tables."""
    if "heat_in_chest" not in figures and "localisation" not in figures:
        st.info(
            "Nothing was measured of this model's heatmaps on these films. With an installed model that outlines heart "
            "and lungs, or with hand-drawn boxes beside the films, `python -m train.evaluate` measures it."
        )
        return
    if "localisation" in figures:
        show_localisation(figures["localisation"])
    if "heat_in_chest" in figures:
        _show_heat(figures["heat_in_chest"])


def _show_heat(heat: Mapping[str, Any]) -> None:
    st.markdown(
        "**Positive evidence inside heart and lungs**",
        help="A map without any preference has the region's area as its share: the difference is what counts.",
    )
    st.table(list(_heat_rows(heat)), border="horizontal", hide_index=True, hide_header=False)
    outlines = heat["outlines"]
    st.caption(
        f"Outlined by {plain(outlines['model'])} {plain(outlines['version'])}. Of {heat['films']:,} films, "
        f"{heat['without_outlines']:,} could not be outlined and {heat['without_evidence']:,} have no positive "
        "evidence; both are left out."
    )


def _heat_rows(heat: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    for region, name in (("chest", "Heart and lungs"), ("heart", "Heart alone")):
        for who, of in (("all films", heat), ("films labelled present", heat["present"])):
            if region in of:
                found = of[region]
                yield {
                    "Region": f"{name}, {who}",
                    "Share of the evidence": cell_of(found["share"]),
                    "Area of the region": cell_of(found["control"]),
                    "Difference": cell_of(found["difference"]),
                }

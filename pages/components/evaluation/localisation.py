"""Where the heatmap points on films with hand-drawn boxes, beside three controls, as tables."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from cxr_core.evaluation.report.localisation_table import (
    CONTROL_NAMES,
    randomisation_sentence,
    verdict_sentence,
)
from pages.components.evaluation.figures import cell_of
from pages.components.markdown import plain

STAGES = {"head": "Head", "late": "Head and the last quarter of the layers", "all": "Everything"}


def show_localisation(found: Mapping[str, Any]) -> None:
    """The verdicts in sentences, then what they rest on."""
    st.markdown(
        "\n".join(f"- {plain(verdict_sentence(found, control))}" for control in CONTROL_NAMES)
    )
    st.markdown(
        "**The heatmap's maximum inside a hand-drawn box**",
        help="The pointing game: a hit is a film whose hottest cell lies in the box. A map that does not beat the "
        "image's centre shows nothing.",
    )
    _table([_pointing_row(each) for each in found["pointing"]])
    st.markdown(
        "**Positive evidence inside the boxes**",
        help="An even map would have the boxes' area as its share of evidence.",
    )
    _table(_inside_rows(found["inside"]))
    st.markdown(
        "**Overlap of map and box**",
        help="IoU: common area over the area of both together. IoBB: common area over what is above the level.",
    )
    _table([_overlap_row(each) for each in found["overlap"]])
    if "randomisation" in found:
        _show_randomisation(found["randomisation"])


def _show_randomisation(found: Mapping[str, Any]) -> None:
    st.markdown(
        "**With random weights**",
        help="A map that stays the same when what was learnt is replaced by chance explains nothing (Adebayo 2018).",
    )
    st.markdown(plain(randomisation_sentence(found)))
    _table(
        [
            {
                "Weights replaced": name,
                "Rank correlation with the map as it is": cell_of(found[stage]),
            }
            for stage, name in STAGES.items()
            if stage in found
        ]
    )


def _pointing_row(each: Mapping[str, Any]) -> dict[str, str]:
    pixels = each["tolerance_px"]
    row = {
        "Counted as inside": f"within {pixels} px of 1,024" if pixels else "inside",
        "Heatmap": cell_of(each["hit"]),
    }
    row |= {
        name.removeprefix("a ").removeprefix("the ").capitalize(): cell_of(each[key])
        for key, name in CONTROL_NAMES.items()
    }
    return row | {"Heatmap less centre": cell_of(each["minus_centre"])}


def _inside_rows(inside: Mapping[str, Any]) -> list[dict[str, str]]:
    names = {
        "share": "Heatmap",
        "area": "Even map: the area of the boxes",
        "average_box": "The average box",
        "minus_area": "Heatmap less even map",
        "minus_average_box": "Heatmap less average box",
    }
    return [
        {"Map": name, "Share inside": cell_of(inside[key])}
        for key, name in names.items()
        if key in inside
    ]


def _overlap_row(each: Mapping[str, Any]) -> dict[str, str]:
    of = "the model's evidence scale" if each["of"] == "scale" else "the film's own maximum"
    return {
        "Heatmap above": f"{100 * each['above']:.0f} % of {of}",
        "IoU": cell_of(each["iou"]),
        "IoBB": cell_of(each["iobb"]),
        "IoU less that of the average box": cell_of(each["minus_average_box_iou"]),
    }


def _table(rows: list[dict[str, str]]) -> None:
    st.table(rows, border="horizontal", hide_index=True, hide_header=False)

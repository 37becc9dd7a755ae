"""Where the heatmaps lie: inside heart and lungs, and inside boxes that readers drew, beside three controls."""

from collections.abc import Iterator, Mapping, Sequence

import streamlit as st

from cxr_core.evaluation.metrics.results import FindingFigures
from cxr_core.evaluation.report.explanations import (
    CONTROL_HEADINGS,
    CONTROL_NAMES,
    OVERLAP_HEADINGS,
    REGION_NAMES,
    STAGE_NAMES,
    control_figure,
    describe_level,
    describe_randomisation,
    describe_segmented_films,
    describe_tolerance,
    describe_verdict,
    name_evidence_figures,
)
from cxr_core.models.figures import (
    AttributionInside,
    BoxOverlap,
    EvidenceInBoxes,
    Localisation,
    PointingGame,
    Randomisation,
    RegionShare,
)
from pages.components.evaluation.figures import format_with_interval
from pages.components.markdown import plain


def show_heatmap_figures(figures: FindingFigures) -> None:
    """What was measured about the heatmaps, as tables."""
    if figures.attribution_inside is None and figures.localisation is None:
        st.info(
            "Nothing was measured about this model's heatmaps on these films. An evaluation measures it where a "
            "segmentation model for heart and lungs is installed, or where the films have boxes drawn by hand."
        )
        return
    if figures.localisation is not None:
        _show_localisation(figures.localisation)
    if figures.attribution_inside is not None:
        _show_attribution_inside(figures.attribution_inside)


def _show_localisation(localisation: Localisation) -> None:
    """The verdicts in sentences, then the figures behind them."""
    verdicts = [plain(describe_verdict(localisation, control)) for control in CONTROL_NAMES]
    st.markdown("\n".join(f"- {verdict}" for verdict in verdicts))
    st.markdown(
        "**The heatmap's maximum inside a hand-drawn box**",
        help="The pointing game: a hit is a film whose hottest cell lies in the box. A heatmap that is no better than "
        "the image's centre shows nothing.",
    )
    _show_rows([_pointing_row(game) for game in localisation.pointing])
    st.markdown(
        "**Positive evidence inside the boxes**",
        help="A uniform heatmap would have the area of the boxes as its share of evidence.",
    )
    _show_rows(list(_evidence_rows(localisation.inside)))
    st.markdown(
        "**Overlap of heatmap and box**",
        help="IoU: the common area over the union. IoBB: the common area over the area above the level.",
    )
    _show_rows([_overlap_row(overlap) for overlap in localisation.overlap])
    if localisation.randomisation is not None:
        _show_randomisation(localisation.randomisation)


def _show_randomisation(randomisation: Randomisation) -> None:
    st.markdown(
        "**With random weights**",
        help="A heatmap that stays the same when the trained weights are replaced by random ones explains nothing "
        "(Adebayo 2018).",
    )
    st.markdown(plain(describe_randomisation(randomisation)))
    rows = [
        {
            "Weights replaced": label,
            "Rank correlation with the original heatmap": format_with_interval(
                randomisation.stages[stage]
            ),
        }
        for stage, label in STAGE_NAMES.items()
        if stage in randomisation.stages
    ]
    _show_rows(rows)


def _pointing_row(game: PointingGame) -> dict[str, str]:
    row = {
        "Maximum inside a box": describe_tolerance(game.tolerance_px),
        "Heatmap": format_with_interval(game.hit),
    }
    for control, heading in CONTROL_HEADINGS.items():
        row[heading] = format_with_interval(control_figure(game, control))
    row["Heatmap minus centre"] = format_with_interval(game.minus_centre)
    return row


def _evidence_rows(inside: EvidenceInBoxes) -> Iterator[dict[str, str]]:
    for label, figure in name_evidence_figures(inside).items():
        yield {"Map": label, "Share inside": format_with_interval(figure)}


def _overlap_row(overlap: BoxOverlap) -> dict[str, str]:
    figures = (overlap.iou, overlap.iobb, overlap.minus_average_box_iou)
    cells = [describe_level(overlap), *map(format_with_interval, figures)]
    return dict(zip(OVERLAP_HEADINGS, cells, strict=True))


def _show_attribution_inside(inside: AttributionInside) -> None:
    st.markdown(
        "**Positive evidence inside heart and lungs**",
        help="A heatmap without any preference has the region's area as its share: the difference is what counts.",
    )
    rows = [
        *_region_rows(inside.regions, "all films"),
        *_region_rows(inside.present, "films labelled present"),
    ]
    _show_rows(rows)
    st.caption(plain(describe_segmented_films(inside)))


def _region_rows(shares: Mapping[str, RegionShare], films: str) -> Iterator[dict[str, str]]:
    for region, name in REGION_NAMES.items():
        if region in shares:
            share = shares[region]
            yield {
                "Region": f"{name}, {films}",
                "Share of the evidence": format_with_interval(share.share),
                "Area of the region": format_with_interval(share.control),
                "Difference": format_with_interval(share.difference),
            }


def _show_rows(rows: Sequence[dict[str, str]]) -> None:
    st.table(list(rows), border="horizontal", hide_index=True, hide_header=False)

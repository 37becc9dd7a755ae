"""Shows where a classifier's heatmaps point and where its evidence lies, as sentences and tables."""

from cxr_core.evaluation.explanations.localisation import BEATS, DOES_NOT_BEAT, TOO_FEW, UNDECIDED
from cxr_core.evaluation.explanations.randomisation import ALL_LAYERS, FAILED, PASSED, STAGES
from cxr_core.evaluation.report.document import Block, Paragraph, Row, Table
from cxr_core.evaluation.report.figure_text import UNDEFINED, format_figure
from cxr_core.models.figures import (
    AttributionInside,
    BoxOverlap,
    EvidenceInBoxes,
    Localisation,
    MeanFigure,
    PointingGame,
    Randomisation,
)
from cxr_core.presentation.wording import format_count

CONTROL_NAMES = {
    "random": "a random point",
    "centre": "the image's centre",
    "average_box": "the average box",
}
CONTROL_HEADINGS = {
    "random": "Random point",
    "centre": "Image's centre",
    "average_box": "Average box",
}
VERDICT_TEXTS = {
    BEATS: "The heatmap beats {control}",
    DOES_NOT_BEAT: "The heatmap does not beat {control}",
    UNDECIDED: "Whether the heatmap beats {control} is undecided",
}
STAGE_NAMES = {
    "head": "Head",
    "late": "Head and the last quarter of the layers",
    "all": "All layers",
}
REGION_NAMES = {"chest": "Heart and lungs", "heart": "Heart only"}
OVERLAP_HEADINGS = ("Heatmap above", "IoU", "IoBB", "IoU minus that of the average box")


def build_localisation_blocks(localisation: Localisation) -> list[Block]:
    """The verdicts in sentences, then the tables that they rest on."""
    blocks: list[Block] = [
        Paragraph(describe_verdict(localisation, control), "verdict" if control == "centre" else "")
        for control in CONTROL_NAMES
    ]
    blocks += _show_pointing(localisation)
    blocks += _show_overlap(localisation)
    blocks.append(_compare_methods(localisation))
    if localisation.randomisation is not None:
        blocks += _show_randomisation(localisation.randomisation)
    return blocks


def describe_verdict(localisation: Localisation, control: str) -> str:
    """The comparison with one control in a sentence: verdict, figures, difference and number of films."""
    verdict, pointing = localisation.verdict[control], localisation.pointing[0]
    name = CONTROL_NAMES[control]
    films = f"{format_count(localisation.films, 'films')} of {format_count(localisation.patients, 'patients')}"
    if verdict == TOO_FEW:
        return f"Not enough cases to compare the heatmap with {name}: {films}."
    hits = f"its maximum lies in the box on {format_figure(pointing.hit)} of {films}"
    control_hits = f"{name} on {format_figure(control_figure(pointing, control))}"
    difference = format_figure(control_difference(pointing, control))
    return (
        f"{VERDICT_TEXTS[verdict].format(control=name)}: {hits}, {control_hits}; "
        f"difference {difference}."
    )


def describe_randomisation(randomisation: Randomisation) -> str:
    """What random weights instead of the learnt ones do to the heatmap, in a sentence."""
    of_all_layers = randomisation.stages[ALL_LAYERS]
    basis = (
        f"rank correlation {format_figure(of_all_layers)} on {format_count(of_all_layers.n, 'films')}, "
        f"{randomisation.networks} random networks"
    )
    if randomisation.verdict == PASSED:
        return f"The heatmap depends on the trained weights: with random weights it is different ({basis})."
    if randomisation.verdict == FAILED:
        return (
            "The heatmap does not depend on the trained weights: with random weights it stays much the same "
            f"({basis}). It must not be taken for an explanation."
        )
    return f"Whether the heatmap depends on the trained weights is undecided ({basis})."


def control_figure(pointing: PointingGame, control: str) -> MeanFigure:
    """How often a control lies in the box. control: a key of CONTROL_NAMES."""
    return {
        "random": pointing.random,
        "centre": pointing.centre,
        "average_box": pointing.average_box,
    }[control]


def control_difference(pointing: PointingGame, control: str) -> MeanFigure:
    """How much more often the heatmap lies in the box than a control does. control: a key of CONTROL_NAMES."""
    return {
        "random": pointing.minus_random,
        "centre": pointing.minus_centre,
        "average_box": pointing.minus_average_box,
    }[control]


def describe_tolerance(tolerance_px: int) -> str:
    """The tolerance of the pointing game: `within 15 px of 1,024`."""
    return f"within {tolerance_px} px of 1,024" if tolerance_px else "no tolerance"


def describe_level(overlap: BoxOverlap) -> str:
    """Where the heatmap was cut: `50 % of the film's own maximum`."""
    of_scale = overlap.of == "scale"
    reference = "the model's evidence scale" if of_scale else "the film's own maximum"
    return f"{100 * overlap.above:.0f} % of {reference}"


def name_evidence_figures(inside: EvidenceInBoxes) -> dict[str, MeanFigure]:
    """Whose evidence lies inside the boxes: the shares of the heatmap and its controls, and the differences."""
    return {
        "Heatmap": inside.share,
        "Uniform heatmap: the area of the boxes": inside.area,
        "The average box": inside.average_box,
        "Heatmap minus uniform heatmap": inside.minus_area,
        "Heatmap minus average box": inside.minus_average_box,
    }


def describe_segmented_films(attribution: AttributionInside) -> str:
    """What segmented the films, and how many were left out."""
    segmenter = attribution.segmenter
    return (
        f"Segmented by {segmenter.model} {segmenter.version}. Of {attribution.films:,} films, "
        f"{attribution.not_segmented:,} could not be segmented and {attribution.without_evidence:,} have no positive "
        "evidence; both are left out."
    )


def build_attribution_blocks(attribution: AttributionInside) -> list[Block]:
    """A table of how much of the positive evidence lies inside heart and lungs."""
    rows: list[Row] = []
    for region, title in REGION_NAMES.items():
        for films, shares in (
            ("all films", attribution.regions),
            ("films labelled present", attribution.present),
        ):
            if region in shares:
                share = shares[region]
                figures = (share.share, share.control, share.difference)
                rows.append([f"{title}, {films}", *map(format_figure, figures)])
    header = ("Positive evidence inside", "Share", "Area of the region", "Difference")
    note = (
        "A uniform heatmap would have the region's area as its share. "
        + describe_segmented_films(attribution)
    )
    return [Table(header, rows, "wide"), Paragraph(note, "quiet")]


def _show_pointing(localisation: Localisation) -> list[Block]:
    hits, differences = [], []
    for pointing in localisation.pointing:
        tolerance = describe_tolerance(pointing.tolerance_px)
        controls = [format_figure(control_figure(pointing, name)) for name in CONTROL_NAMES]
        hits.append([tolerance, format_figure(pointing.hit), *controls])
        minus = [format_figure(control_difference(pointing, name)) for name in CONTROL_NAMES]
        differences.append([tolerance, *minus])
    rows, columns = localisation.cells
    average_box = "the other evaluated patients"
    if localisation.training_boxes:
        average_box = f"the training films ({localisation.training_boxes:,})"
    note = (
        f"{format_count(localisation.boxes, 'boxes')} on {format_count(localisation.films, 'films')} labelled present; "
        f"a film counts once. The heatmap has {rows} × {columns} cells. On "
        f"{localisation.without_evidence:,} of the films it is positive nowhere, which counts as outside. The "
        f"average box is how many boxes of {average_box} cover each place; it points to where most of them overlap."
    )
    controls_header = tuple(CONTROL_HEADINGS.values())
    return [
        Table(("Maximum inside a box", "Heatmap", *controls_header), hits, "wide"),
        Table(("Heatmap minus control", *controls_header), differences, "wide"),
        Paragraph(note, "quiet"),
    ]


def _show_overlap(localisation: Localisation) -> list[Block]:
    inside = localisation.inside
    rows = [
        [
            describe_level(overlap),
            format_figure(overlap.iou),
            f"{format_figure(overlap.iobb)}, {format_count(overlap.iobb.n, 'films')}",
            format_figure(overlap.minus_average_box_iou),
        ]
        for overlap in localisation.overlap
    ]
    average_box_iou = format_figure(localisation.overlap[0].average_box_iou)
    note = (
        "IoU: common area over the area of both together; a film with nothing above the level counts as 0. IoBB: "
        "common area over the area above the level, on the films that have any. The average box, cut at half its "
        f"maximum, has an IoU of {average_box_iou}."
    )
    title = f"Positive evidence inside the boxes, {format_count(inside.share.n, 'films')}"
    return [
        Table((title, "Share"), _inside_rows(inside)),
        Table(OVERLAP_HEADINGS, rows, "wide"),
        Paragraph(note, "quiet"),
    ]


def _inside_rows(inside: EvidenceInBoxes) -> list[Row]:
    rows: list[Row] = [
        [name, format_figure(figure)] for name, figure in name_evidence_figures(inside).items()
    ]
    return [*rows, ["Heatmap over uniform heatmap (lift)", format_figure(inside.lift, 2)]]


def _compare_methods(localisation: Localisation) -> Table:
    pointing, inside = localisation.pointing[0], localisation.inside
    half = localisation.overlap[-1]  # cut at half of each map's own maximum, as the other methods
    rows = [
        [
            localisation.method,
            format_figure(pointing.hit),
            format_figure(pointing.minus_centre),
            "",
            format_figure(inside.share),
            format_figure(inside.lift),
            format_figure(half.iou),
        ]
    ]
    for method in localisation.methods.values():
        figures = (
            method.hit,
            method.minus_centre,
            method.minus_exact,
            method.share,
            method.lift,
            method.iou,
        )
        rows.append([method.name, *map(format_figure, figures)])
    header = (
        "Method",
        "Maximum inside",
        "Minus centre",
        "Minus exact heatmap",
        "Share inside",
        "Lift",
        "IoU at half its maximum",
    )
    return Table(header, rows, "wide")


def _show_randomisation(randomisation: Randomisation) -> list[Block]:
    passed = randomisation.verdict == PASSED
    rows = []
    for stage in STAGES:
        similarity = randomisation.stages[stage]
        lowest, highest = (_format_number(end) for end in (similarity.lowest, similarity.highest))
        rows.append([STAGE_NAMES[stage], format_figure(similarity), f"{lowest} to {highest}"])
    note = (
        f"Spearman's rank correlation of the cells with those of the unchanged network, mean over "
        f"{format_count(randomisation.films, 'films')} and {format_count(randomisation.networks, 'networks')}; "
        f"1 would be the same map. With its whole interval below "
        f"{randomisation.similarity_limit:g} it counts as another map (Adebayo et al. 2018)."
    )
    return [
        Paragraph(describe_randomisation(randomisation), "verdict" if passed else "warning"),
        Table(("Weights replaced by random ones", "Rank correlation", "Single networks"), rows),
        Paragraph(note, "quiet"),
    ]


def _format_number(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:z.3f}"

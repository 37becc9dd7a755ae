"""Where a classifier's heatmaps point, as sentences and tables of its report."""

from collections.abc import Iterator, Mapping
from typing import Any

from cxr_core.evaluation.explanations.localisation import BEATS, DOES_NOT, FEW, OPEN
from cxr_core.evaluation.explanations.randomisation import FAILED, PASSED, STAGES
from cxr_core.evaluation.report.parts import cell
from cxr_core.presentation.html import element, table

CONTROL_NAMES = {
    "random": "a random point",
    "centre": "the image's centre",
    "average_box": "the average box",
}
SAID = {
    BEATS: "The heatmap beats {control}",
    DOES_NOT: "The heatmap does not beat {control}",
    OPEN: "Whether the heatmap beats {control} cannot be told",
}
STAGE_NAMES = {
    "head": "Head",
    "late": "Head and the last quarter of the layers",
    "all": "Everything",
}


def localisation_table(found: Mapping[str, Any]) -> Iterator[str]:
    """found: as `evaluate_localisation.localise` gives it for one finding."""
    for name in CONTROL_NAMES:
        yield element("p", verdict_sentence(found, name), "verdict" if name == "centre" else "")
    yield from _pointing(found)
    yield from _evidence(found)
    yield from _methods(found)
    yield from _randomisation(found["randomisation"])


def verdict_sentence(found: Mapping[str, Any], control: str) -> str:
    """One control in plain words: what was found, the difference, and what it rests on."""
    verdict, plain = found["verdict"][control], found["pointing"][0]
    rests = f"{found['films']:,} films of {found['patients']:,} patients"
    if verdict == FEW:
        return f"Not enough cases to compare the heatmap with {CONTROL_NAMES[control]}: {rests}."
    shares = f"its maximum lies in the box on {cell(plain['hit'])} of {rests}, {CONTROL_NAMES[control]} on "
    return (
        f"{SAID[verdict].format(control=CONTROL_NAMES[control])}: {shares}{cell(plain[control])}; "
        f"difference {cell(plain[f'minus_{control}'])}."
    )


def randomisation_sentence(found: Mapping[str, Any]) -> str:
    """What replacing all learnt weights by random ones does to the heatmap."""
    whole = found["all"]
    rests = (
        f"rank correlation {cell(whole)} on {whole['n']:,} films, {found['draws']} random networks"
    )
    if found["verdict"] == PASSED:
        return f"The heatmap depends on what the network has learnt: with random weights it is another one ({rests})."
    if found["verdict"] == FAILED:
        return (
            "The heatmap does not depend on what the network has learnt: with random weights it stays much the same "
            f"({rests}). It must not be taken for an explanation."
        )
    return f"Whether the heatmap depends on what the network has learnt cannot be told ({rests})."


def _pointing(found: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        [_tolerance(each["tolerance_px"]), *(cell(each[name]) for name in ("hit", *CONTROL_NAMES))]
        for each in found["pointing"]
    ]
    yield table(
        ("Maximum inside a box", "Heatmap", "Random point", "Centre", "Average box"), rows, "wide"
    )
    rows = [
        [_tolerance(each["tolerance_px"]), *(cell(each[f"minus_{name}"]) for name in CONTROL_NAMES)]
        for each in found["pointing"]
    ]
    yield table(("Heatmap less control", "Random point", "Centre", "Average box"), rows, "wide")
    yield element(
        "p",
        f"{found['boxes']:,} boxes on {found['films']:,} films labelled present; a film counts once. The heatmap has "
        f"{found['cells'][0]} × {found['cells'][1]} cells. On {found['without_evidence']:,} of the films it is "
        "positive nowhere; there it points nowhere, which counts as outside. The average box is how many boxes of "
        f"{_average(found)} cover each place, and points to where most of them overlap.",
        "quiet",
    )


def _evidence(found: Mapping[str, Any]) -> Iterator[str]:
    inside = found["inside"]
    rows = [
        ["Heatmap", cell(inside["share"])],
        ["An even map: the area of the boxes", cell(inside["area"])],
        ["The average box", cell(inside["average_box"])],
        ["Heatmap less even map", cell(inside["minus_area"])],
        ["Heatmap less average box", cell(inside["minus_average_box"])],
        ["Heatmap over even map (lift)", cell(inside["lift"], 2)],
    ]
    yield table(
        (f"Positive evidence inside the boxes, {inside['share']['n']:,} films", "Share"), rows
    )
    rows = [
        [
            _level(each),
            cell(each["iou"]),
            f"{cell(each['iobb'])}, {each['iobb']['n']:,} films",
            cell(each["minus_average_box_iou"]),
        ]
        for each in found["overlap"]
    ]
    yield table(("Heatmap above", "IoU", "IoBB", "IoU less that of the average box"), rows, "wide")
    average = found["overlap"][0]["average_box_iou"]
    yield element(
        "p",
        "IoU: common area over the area of both together; a film with nothing above the level counts as 0. IoBB: "
        "common area over what is above the level, on the films that have any. The average box, cut at half its "
        f"maximum, has an IoU of {cell(average)}.",
        "quiet",
    )


def _methods(found: Mapping[str, Any]) -> Iterator[str]:
    names = ("hit", "minus_centre", "minus_exact", "share", "lift", "iou")
    own = found["pointing"][0], found["inside"], found["overlap"][-1]
    first = [
        own[0]["hit"],
        own[0]["minus_centre"],
        None,
        own[1]["share"],
        own[1]["lift"],
        own[2]["iou"],
    ]
    rows = [[found["method"], *(cell(figure) if figure else "" for figure in first)]]
    rows += [[of["name"], *(cell(of[name]) for name in names)] for of in found["methods"].values()]
    header = (
        "Method",
        "Maximum inside",
        "Less centre",
        "Less evidence",
        "Share inside",
        "Lift",
        "IoU at half its maximum",
    )
    yield table(header, rows, "wide")


def _randomisation(found: Mapping[str, Any]) -> Iterator[str]:
    yield element(
        "p", randomisation_sentence(found), "verdict" if found["verdict"] == PASSED else "warning"
    )
    rows = [
        [
            STAGE_NAMES[stage],
            cell(found[stage]),
            f"{_number(found[stage]['least'])} to {_number(found[stage]['most'])}",
        ]
        for stage in STAGES
    ]
    yield table(("Weights replaced by random ones", "Rank correlation", "Single networks"), rows)
    yield element(
        "p",
        f"Spearman's rank correlation of the cells with those of the untouched network, mean over {found['films']:,} "
        f"films and {found['draws']} networks; 1 would be the same map. With its whole interval below "
        f"{found['alike_from']:g} it counts as another map (Adebayo et al. 2018).",
        "quiet",
    )


def _tolerance(px: int) -> str:
    return f"within {px} px of 1,024" if px else "no tolerance"


def _level(each: Mapping[str, Any]) -> str:
    return f"{each['above']:.0%} of " + (
        "the model's evidence scale" if each["of"] == "scale" else "the film's own maximum"
    )


def _average(found: Mapping[str, Any]) -> str:
    count = found["average_box_from_training"]
    return f"the training films ({count:,})" if count else "the other patients measured"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:z.3f}"

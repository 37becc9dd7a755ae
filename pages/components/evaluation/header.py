"""The top of an evaluation: whose films were measured, and what has to be known before the figures are believed."""

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.evaluation.metrics.results import FindingFigures
from cxr_core.evaluation.population import describe_population
from cxr_core.evaluation.report.evaluation_report import OUTSIDE_FIGURES
from cxr_core.evaluation.report.notes import CALIBRATED_HERE
from cxr_core.evaluation.store.catalogue import EvaluationRecord
from cxr_core.evaluation.store.loaded import FindingView, LoadedEvaluation, read_report
from cxr_core.presentation.wording import OUT_OF_FOLD, format_count, split_name
from pages.components import cache
from pages.components.evaluation.figures import tabulate_figures_with_meaning
from pages.components.markdown import plain

REPORT_PX = 900


def warn_about_split(record: EvaluationRecord) -> None:
    """A warning where the model was trained or tuned on the split; a note where each film has a model of its own."""
    split = record.head.split
    if split == OUT_OF_FOLD:
        st.info(
            "**Cross-validation.** Each film was predicted by the model of its fold, which saw no film of its patient, "
            "and is called by that model's thresholds. Thresholds in the charts are the mean of the folds'.",
            icon=":material/call_split:",
        )
    elif split != "test":
        st.warning(
            f"**Measured on the {plain(split_name(split))}.** The model was trained or tuned on these films, so it "
            "looks better here than it is.",
            icon=":material/warning:",
        )


def show_cautions(evaluation: LoadedEvaluation, finding: str, view: FindingView) -> None:
    """What has to be known before figures are believed: useless output, calibration fitted here, and whose films."""
    problem = evaluation.metrics.findings[finding].degenerate or view.constant_output
    if problem:
        st.error(
            f"**The model's output is of no use for this finding.** {plain(problem)} Its calibration figures may look "
            "good all the same.",
            icon=":material/error:",
        )
    if evaluation.calibrated_here:
        st.warning(CALIBRATED_HERE, icon=":material/warning:")
    head = evaluation.record.head
    if head.split != OUT_OF_FOLD:  # those are of the recipe's population
        text = plain(describe_population(head.data))
        if head.split == "test":
            text += f" {_describe_uses(head.data.split_data_sha256)}"
        st.caption(text)
    outside = evaluation.metrics.outside_population.get(finding)
    if outside is not None:
        _show_outside(outside)


def _show_outside(figures: FindingFigures) -> None:
    """The main figures of the films that everything else on the page leaves out."""
    auroc = figures.auroc
    counts = f"{format_count(auroc.n, 'films')}, {auroc.positives:,} labelled present"
    with st.expander(f"Outside the intended population: {counts}", icon=":material/group_off:"):
        st.caption(
            "The model is not for these patients; a reading refuses them. No other figure counts these films."
        )
        st.table(
            tabulate_figures_with_meaning(figures.by_name(), OUTSIDE_FIGURES),
            border="horizontal",
            hide_index=True,
            hide_header=False,
        )


def _describe_uses(data_sha256: str) -> str:
    """How often this test split has been looked at; nothing where the workspace's list cannot be read."""
    try:
        uses = cache.count_test_uses(data_sha256)
    except SilhouetteError:
        return ""
    if not uses.evaluations:
        return "This workspace records no look at this test split."
    return (
        f"Looks at this test split: {format_count(uses.evaluations, 'evaluations')} of "
        f"{format_count(uses.models, 'models')}. Choosing by these films makes figures on them look better."
    )


def show_segmenter_report(record: EvaluationRecord) -> None:
    """The whole report of a segmentation model, which has no threshold to move, in a frame."""
    report = read_report(record)
    if report is None:
        st.info(
            "This model segments heart and lungs. Its report.html is missing or damaged; evaluate it again to make one."
        )
        return
    st.caption(
        "This model segments heart and lungs. It calls no finding, so there is no threshold to move."
    )
    st.iframe(report, height=REPORT_PX)

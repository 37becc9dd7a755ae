"""Recalibrates for the site's films: asks how they were picked, shows the calibration error before and after."""

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.reading.site_profile import ModelProfile
from cxr_core.site.local_decisions import choose_local_decisions
from cxr_core.site.recalibration import (
    MIN_PATIENTS,
    LocalRecalibration,
    fit_local_recalibration,
)
from pages.components.background_tasks import BackgroundTask
from pages.components.evaluation.figures import format_with_interval
from pages.components.markdown import plain
from pages.components.session import initialise_field
from pages.components.site.page_state import ComparedFilms, FittedProfile, SitePageState
from pages.components.site.progress import FIT, start_step

AS_THEY_CAME, PICKED = "As they came", "Picked for this test"
LOWEST_PERCENT, HIGHEST_PERCENT = 0.01, 99.0
FIGURES = {
    "ece": "Calibration error",
    "log_loss": "Log loss",
    "calibration": "Mean probability less share with the finding",
}


def offer_recalibration(
    state: SitePageState, compared: ComparedFilms, in_use: ModelProfile | None
) -> None:
    """Ask how the films were picked, and fit; nothing is installed by it. in_use: the profile that is installed."""
    name = plain(compared.card.finding_in_sentence(compared.local.finding))
    patients = compared.local.count_patients()
    if patients < MIN_PATIENTS:
        st.caption(
            f"Recalibration needs labelled films of at least {MIN_PATIENTS} patients; {patients} are there."
        )
        return
    classes = len(compared.acceptance.classes)
    prevalence, missing = _ask_prevalence(state, compared, name) if classes > 1 else (None, False)
    is_next_step = compared.acceptance.verdict == "shifted" and in_use is None
    clicked = st.button(
        "Recalibrate",
        icon=":material/tune:",
        type="primary" if is_next_step else "secondary",
        key=state.widget_key("recalibrate"),
        disabled=missing,
        help="Fitted and cross-validated by patient in the background. Nothing is installed by it.",
    )
    if clicked:
        start_step(state, FIT, lambda task: _fit(compared, prevalence, task))


def _ask_prevalence(
    state: SitePageState, compared: ComparedFilms, name: str
) -> tuple[float | None, bool]:
    """The share of the site's patients with the finding, within 0 and 1; None where the films were taken as they came.

    Also whether it has to be entered and is not.
    """
    with st.container(horizontal=True, gap="medium"):
        picked = st.radio(
            "How were these films picked?",
            [PICKED, AS_THEY_CAME],
            captions=[
                f"So many with {name} and so many without. Then say how many of your patients have it.",
                f"One patient after another: the share with {name} is that of your patients.",
            ],
            key=state.widget_key("picked"),
            width=480,
        )
        if picked == AS_THEY_CAME:
            return None, False
        key = state.widget_key("prevalence")
        own = compared.card.calibration_prevalence(compared.local.finding)
        initialise_field(key, None if own is None else round(100 * own, 2))
        percent = st.number_input(
            f"Share of your patients with {name}, in %",
            LOWEST_PERCENT,
            HIGHEST_PERCENT,
            value=None,
            step=0.5,
            format="%.2f",
            key=key,
            help="Of the patients whose films the model is given. Installed with the rest, readings show the "
            "probability at it. At first it is the share on which the model's own probability was calibrated.",
            width=300,
        )
    return (None, True) if percent is None else (percent / 100, False)


def _fit(compared: ComparedFilms, prevalence: float | None, task: BackgroundTask) -> FittedProfile:
    """The recalibration, where the films allow one, and the thresholds that go with it."""
    task.report_progress("cross-validating by patient", 0, 1)
    local, card = compared.local, compared.card
    recalibration, problem = None, ""
    try:
        recalibration = fit_local_recalibration(local, compared.scores, card, prevalence=prevalence)
    except SilhouetteError as error:
        problem = str(error)
    usable = None if recalibration is None or recalibration.refused else recalibration
    share = float(local.labels.mean())
    if prevalence is None and 0 < share < 1:
        prevalence = share
    return FittedProfile(
        recalibration=recalibration,
        problem=problem,
        prevalence=prevalence,
        decisions=choose_local_decisions(local, card, usable),
    )


def show_recalibration(fitted: FittedProfile) -> None:
    """The outcome in a sentence, and the figures before and after on patients that were left out of the fit."""
    recalibration = fitted.recalibration
    if recalibration is None:
        st.info(f"Not recalibrated: {plain(fitted.problem)}", icon=":material/block:")
        return
    if recalibration.refused:
        st.warning(plain(recalibration.sentence), icon=":material/block:")
    else:
        st.success(plain(recalibration.sentence), icon=":material/check_circle:")
    st.table(
        [_make_row(recalibration, name) for name in FIGURES],
        border="horizontal",
        hide_index=True,
        hide_header=False,
    )
    st.caption(
        "Measured on patients left out of the fit, by cross-validation, with 95 % intervals over patients. 0 is best "
        "in the first and the last row."
    )


def _make_row(recalibration: LocalRecalibration, name: str) -> dict[str, str]:
    before, after, difference = (
        getattr(errors, name)
        for errors in (recalibration.before, recalibration.after, recalibration.difference)
    )
    return {
        "Figure": FIGURES[name],
        "The model's own": format_with_interval(before),
        "Recalibrated": format_with_interval(after),
        "Difference": format_with_interval(difference),
    }

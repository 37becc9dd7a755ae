"""Installs what was fitted as the site's profile, shows what is installed, and takes it out of use in one click."""

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from cxr_core.errors import SiteError
from cxr_core.presentation.wording import (
    decision_name,
    format_count,
    format_exact_threshold,
    format_time,
)
from cxr_core.reading.site_profile import ModelProfile
from cxr_core.site.local_profile import build_model_profile, describe_evidence
from cxr_core.site.profile_store import (
    ProfileChange,
    discard_damaged,
    install,
    list_installed,
    load_profile,
    revoke,
)
from pages.components.error_boundary import keep_error
from pages.components.markdown import plain
from pages.components.site.page_state import ComparedFilms, FittedProfile, SitePageState
from pages.components.site.selection import Question

# The reason on record for what takes one click and must not wait for somebody to write one.
ONE_CLICK = "one click on the Site page"
INSTALLED = "Installed: films read from now on are read with it."
REVOKED = "Revoked: readings are the model's own again."
SAME_PREVALENCE = 1e-4
LOWEST_PERCENT, HIGHEST_PERCENT = 0.01, 99.0


def show_installed(state: SitePageState, question: Question) -> None:
    """What readings use for this finding, with a button that revokes it; or that nothing is installed."""
    try:
        installed = find_installed(question)
    except SiteError as error:
        _offer_discarding(state, error)
        return
    if installed is None:
        st.caption(
            f"No profile is installed: readings for {plain(question.finding_name)} are the model's own."
        )
        return
    with st.container(border=True, key="site-installed"):
        profile = installed.profile
        st.markdown(
            f"**Installed on {plain(profile.installed_on)}:** {plain(describe_profile(profile))}."
        )
        st.caption(f"{format_time(installed.when)} · {plain(installed.reason)}")
        if profile.version != question.card.version:
            st.warning(
                f"It was made for version {plain(profile.version)} and is not applied to "
                f"{plain(question.card.version)}, which is in use. Repeat the acceptance test.",
                icon=":material/warning:",
            )
        st.button(
            "Revoke",
            icon=":material/undo:",
            key=f"site-revoke-{installed.when}",  # a click revokes what its button stood beside
            on_click=_change,
            args=(state, lambda: revoke(*question.key, ONE_CLICK), REVOKED),
            help="Films read from now on get the model's own numbers again. The profile stays in the history.",
        )


def find_installed(question: Question) -> ProfileChange | None:
    """What is installed for the finding by the model, of whichever version. Raises SiteError for a damaged profile."""
    for change in list_installed():
        if (change.profile.model, change.profile.finding) == question.key:
            return change
    return None


def find_in_use(question: Question) -> ModelProfile | None:
    """The profile with which the active version of the model is read; None where there is none, or it is damaged."""
    profile = load_profile()
    found = profile.find(question.card, question.finding) if profile else None
    return found if found is not None and found.version == question.card.version else None


def describe_profile(profile: ModelProfile) -> str:
    """What a profile changes and what it rests on."""
    parts = ["recalibrated probabilities"] if profile.calibration else []
    if profile.decisions:
        names = " and ".join(decision_name(each.name).lower() for each in profile.decisions)
        parts.append(f"thresholds of {names} chosen here")
    if profile.prevalence is not None:
        parts.append(f"a prevalence of {format_exact_threshold(profile.prevalence)}")
    films = format_count(profile.films, "films")
    return f"{', '.join(parts)}; from {films} of {format_count(profile.patients, 'patients')}"


def offer_installation(
    state: SitePageState, compared: ComparedFilms, fitted: FittedProfile
) -> None:
    """Ask for a reason, and for the prevalence where no step before needed it, and install what was fitted."""
    name = plain(compared.card.finding_in_sentence(compared.local.finding))
    own = compared.card.calibration_prevalence(compared.local.finding)
    prevalence = fitted.prevalence
    if prevalence is None:
        prevalence = _ask_prevalence(state, name)
    elif own is not None and abs(prevalence - own) < SAME_PREVALENCE:
        prevalence = None  # the field was left as it was
    recalibration = fitted.installable
    if recalibration is None and not fitted.decisions.decisions and prevalence is None:
        st.caption(
            "There is nothing to install: no recalibration, no thresholds of this site, no prevalence."
        )
        return
    profile = replace(
        build_model_profile(compared.local, compared.card, recalibration, fitted.decisions),
        prevalence=prevalence,
    )
    evidence = describe_evidence(recalibration, compared.record) if recalibration else None
    st.markdown(f"To be installed: {plain(describe_profile(profile))}.")
    reason = st.text_input(
        "Reason", key=state.widget_key("reason"), max_chars=500, placeholder="Kept in the history"
    ).strip()
    if not reason:
        st.caption("Enter a reason first.")
    st.button(
        "Install",
        icon=":material/publish:",
        type="primary",
        key=state.widget_key("install"),
        disabled=not reason,
        on_click=_change,
        args=(
            state,
            lambda: install(profile, reason, evidence),
            INSTALLED,
        ),
        help="The model's card is never changed. One click takes the profile out of use again.",
    )


def _ask_prevalence(state: SitePageState, name: str) -> float | None:
    """The prevalence that readings take where the reader chooses none, within 0 and 1; None for the model's own."""
    percent = st.number_input(
        f"Prevalence of {name} at your site, in %",
        LOWEST_PERCENT,
        HIGHEST_PERCENT,
        value=None,
        step=0.5,
        format="%.2f",
        key=state.widget_key("installed-prevalence"),
        help="Readings show the probability at it, unless the reader chooses another. Empty: at the prevalence on "
        "which the model was calibrated.",
        width=280,
    )
    return None if percent is None else percent / 100


def _offer_discarding(state: SitePageState, error: SiteError) -> None:
    """A damaged profile, and the way out."""
    st.error(f"{plain(str(error))} Readings go on without it.", icon=":material/broken_image:")
    st.button(
        "Put the damaged profile aside",
        icon=":material/move_to_inbox:",
        key="site-discard",
        on_click=_change,
        args=(state, discard_damaged, "It was put aside. A profile can be installed again."),
        help="Its file is renamed, not deleted.",
    )


def _change(state: SitePageState, change: Callable[[], object], sentence: str) -> None:
    """Callback of a button: do it, and say at the page's next run what was done, or why it could not be."""
    with keep_error(state):
        change()
        state.report_change(sentence)

"""Shows the findings of one film: verdict, place between the thresholds, and what the probability means."""

import streamlit as st

from cxr_core.presentation.wording import (
    call_name,
    describe_frequency,
    describe_likelihood,
    finding_name,
    format_percent,
)
from cxr_core.reading.results import FindingReading, Reading
from pages.components.markdown import plain
from pages.components.model_card import offer_card
from pages.components.probability_bar import draw_probability_bar
from pages.components.read.page_state import ReadPageState, StudyEntry

# The names of palette.DECISION_COLOURS in the theme.
BADGE_COLOURS = {"present": "orange", "absent": "blue", "indeterminate": "violet"}
# Signs beside the colours, for eyes that do not tell these apart.
BADGE_SIGNS = {"present": "●", "absent": "○", "indeterminate": "?"}


def show_findings(state: ReadPageState, entry: StudyEntry, reading: Reading) -> None:
    """A card for each finding that has a number, a line for any other, then what was not assessed."""
    for finding in reading.findings:
        has_number = finding.probability is not None and not finding.needs_age
        key = f"finding-{finding.finding}-{finding.model or 'no-model'}"
        with st.container(border=has_number, gap="xsmall", key=key):
            if finding.probability is None:
                _show_without_model(finding)
            elif finding.needs_age:
                _show_without_age(finding)
            else:
                _show_finding(finding)
                _offer_edited_ratio(state, entry, reading, finding)
                _show_model(state, finding)
    st.markdown(f"**Not assessed:** {plain(', '.join(reading.not_assessed))}.")


def _show_finding(finding: FindingReading) -> None:
    assert finding.probability is not None
    assert finding.present_from is not None
    assert finding.absent_below is not None
    name, call = finding_name(finding.finding), finding.call or "indeterminate"
    verdict = call_name(call)
    badge = f":{BADGE_COLOURS[call]}-badge[{BADGE_SIGNS[call]} {verdict.capitalize()}]"
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.markdown(f"**{plain(name)}** {badge}", width="content")
        st.markdown(f"**{plain(format_percent(finding.probability))}**", width="content")
    st.html(
        draw_probability_bar(
            name, finding.probability, finding.present_from, finding.absent_below, verdict
        )
    )
    if finding.undecided_because:
        st.markdown(f":small[**Undecided:** {plain(finding.undecided_because)}]")
    st.markdown(f":small[{plain(describe_probability(finding))}]")


def describe_probability(finding: FindingReading) -> str:
    """What the probability is one of, and how the film compares with the average one, where the prevalence is known."""
    assert finding.probability is not None
    words = describe_frequency(finding.probability, finding.prevalence)
    if finding.prevalence is None:
        return f"{words}."
    return f"{words}: {describe_likelihood(finding.probability, finding.prevalence)}."


def _show_model(state: ReadPageState, finding: FindingReading) -> None:
    """The model, whom it is for and what the probability was made of, with a button for its card."""
    facts = [f"For {finding.population}"]
    if finding.fusion_parts is not None:
        facts.append(finding.fusion_parts.describe())
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.caption(plain(" · ".join(facts)), width="content")
        if finding.card is not None:
            offer_card(state, finding.card, finding.finding)


def _offer_edited_ratio(
    state: ReadPageState, entry: StudyEntry, reading: Reading, finding: FindingReading
) -> None:
    """Say which ratio the probability rests on once a person has set the diameters, and offer the other one."""
    edited = any(m.edited and m.value is not None for m in reading.measurements)
    if not edited or finding.card is None or finding.finding not in finding.card.fusion:
        return
    uses_edited = state.uses_edited_ratio.get(entry.key, False)
    if uses_edited:
        text, label = "The probability rests on the edited CTR.", "Use the automatic CTR"
    else:
        text, label = _describe_automatic_basis(finding), "Recompute with the edited CTR"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":small[:orange[{plain(text)}]]", width="content")
        st.button(
            label,
            key=state.widget_key(f"edited-ratio-{entry.key}-{finding.model}"),
            icon=":material/calculate:",
            type="tertiary",
            on_click=state.uses_edited_ratio.update,
            args=({entry.key: not uses_edited},),
        )


def _describe_automatic_basis(finding: FindingReading) -> str:
    if finding.fusion_parts is None:
        return "The probability does not use the edited CTR."
    return "The probability still rests on the automatic CTR."


def _show_without_age(finding: FindingReading) -> None:
    name = plain(finding_name(finding.finding))
    population = plain(finding.population or "")
    st.markdown(f"**{name}** :blue-badge[Age needed] :small[:gray[The model is for {population}.]]")


def _show_without_model(finding: FindingReading) -> None:
    st.markdown(
        f"**{plain(finding_name(finding.finding))}** :gray-badge[Not assessed]",
        help=plain(finding.reason or ""),
    )

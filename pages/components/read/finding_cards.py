"""Shows the findings of one film: verdict, place between the thresholds, and what the probability means."""

from collections.abc import Callable, Iterator

import streamlit as st

from cxr_core.findings import ABNORMALITY
from cxr_core.presentation.wording import (
    call_name,
    describe_likelihood,
)
from cxr_core.reading.impression import describe_abnormality
from cxr_core.reading.opinions import describe_opinions, split_opinions
from cxr_core.reading.results import FindingReading, Reading
from pages.components.markdown import plain
from pages.components.model_card import offer_card
from pages.components.probability_bar import draw_probability_bar
from pages.components.read.page_state import ReadPageState, StudyEntry

# The names of palette.DECISION_COLOURS in the theme.
BADGE_COLOURS = {"present": "orange", "absent": "blue", "indeterminate": "violet"}
# Signs beside the colours, for eyes that do not tell these apart.
BADGE_SIGNS = {"present": "●", "absent": "○", "indeterminate": "?"}

# Where more films than this have a finding, none can be twice as likely to have it as the average one.
COMPARABLE_BELOW = 0.5


def show_findings(
    reading: Reading, show_row: Callable[[FindingReading], None] | None = None
) -> None:
    """The verdict on each finding that has a number, and a line for one that waits for the age.

    show_row: adds the reader's verdict to a finding.
    """
    for finding in _list_assessed(reading):
        with st.container(gap="xsmall", key=f"finding-{finding.finding}-{finding.model}"):
            if finding.needs_age:
                _show_without_age(finding)
            elif finding.is_withheld:  # its number would be taken for a verdict
                reason = plain(finding.undecided_because or "")
                st.markdown(f"{_describe_verdict(finding)}  \n:small[{reason}]")
            elif finding.opinions:
                _show_opinions(finding)
            else:
                _show_verdict(finding)
            if finding.finding == ABNORMALITY and not finding.needs_age and not finding.is_withheld:
                st.markdown(f":small[{plain(describe_abnormality(reading.findings))}]")
            if show_row is not None:
                show_row(finding)


def explain_findings(state: ReadPageState, entry: StudyEntry, reading: Reading) -> None:
    """What each verdict rests on: what its number means, whom the model is for, and its card."""
    if reading.site_profile is not None and reading.site_profile.problem:
        st.markdown(f":small[:orange[{plain(reading.site_profile.problem)}]]")
    for finding in _list_assessed(reading):
        if finding.needs_age:
            continue
        with st.container(gap=None, key=f"explained-{finding.finding}-{finding.model}"):
            sentences = _list_explanations(finding)
            st.markdown(
                f"**{plain(finding.name)}**  \n" + "  \n".join(f":small[{s}]" for s in sentences),
                help=plain(finding.describe_label_noise()) or None,
            )
            _offer_edited_ratio(state, entry, reading, finding)
            for opinion in split_opinions([finding]):
                if opinion.card is not None:
                    offer_card(state, opinion.card, opinion.finding)


def _list_assessed(reading: Reading) -> list[FindingReading]:
    return [finding for finding in reading.findings if finding.probability is not None]


def _list_explanations(finding: FindingReading) -> Iterator[str]:
    """Sentences below a finding's name, in Markdown."""
    if not finding.opinions and not finding.is_withheld:
        parts = finding.fusion_parts
        number = f" :gray[({plain(parts.describe())})]" if parts else ""
        yield plain(describe_probability(finding)) + number
        yield from _describe_site(finding)
    # What is defined locally, or by its model in narrower words; every reader knows the others.
    if finding.defined_as is not None:
        yield f":gray[Defined as: {plain(finding.defined_as)}]"
    for opinion in split_opinions([finding]):
        model = f"{opinion.model}: for" if finding.opinions else "For"
        yield f":gray[{plain(model)} {plain(opinion.population or '')}]"
        if finding.opinions:
            yield from _describe_site(opinion)


def show_not_assessed(reading: Reading) -> None:
    """A line with what was not assessed; why no model fits the patient is one touch away."""
    reasons = " ".join(finding.reason for finding in reading.findings if finding.reason)
    names = plain(", ".join(reading.not_assessed))
    st.markdown(f"**Not assessed:** {names}.", help=plain(reasons) or None)


def _show_verdict(finding: FindingReading) -> None:
    verdict = _describe_verdict(finding)
    if finding.call == "indeterminate":
        verdict += "  \n:small[**Undecided:** the probability lies between the two thresholds.]"
    st.markdown(verdict)
    _draw_bar(finding, finding.name)


def _draw_bar(finding: FindingReading, name: str) -> None:
    assert finding.probability is not None
    assert finding.present_from is not None
    assert finding.absent_below is not None
    verdict = call_name(finding.call or "indeterminate")
    st.html(
        draw_probability_bar(
            name, finding.probability, finding.present_from, finding.absent_below, verdict
        )
    )


def _describe_site(finding: FindingReading) -> Iterator[str]:
    """What the profile of the site changed about the number and the verdict, or why it is not applied."""
    if finding.site is not None:
        text = finding.site.describe()
        yield f":gray[{plain(text[0].upper() + text[1:])}.]"
        if finding.site.reason:
            yield f":orange[{plain(finding.site.reason)}]"


def _describe_verdict(finding: FindingReading) -> str:
    call = finding.call or "indeterminate"
    verdict = f"{BADGE_SIGNS[call]} {call_name(call).capitalize()}"
    name = plain(finding.name)
    return f"**{name}** :{BADGE_COLOURS[call]}-badge[{verdict}]"


def describe_probability(finding: FindingReading) -> str:
    """What the probability is one of, and how the film compares with the average one, where the prevalence is known."""
    assert finding.probability is not None
    words = finding.describe_frequency()
    if finding.prevalence is None or finding.prevalence > COMPARABLE_BELOW:
        return f"{words}."
    return f"{words}: {describe_likelihood(finding.probability, finding.prevalence)}."


def _show_opinions(finding: FindingReading) -> None:
    """One verdict, that several models answer and whether they agree, and what each of them says."""
    st.markdown(
        f"{_describe_verdict(finding)}  \n:small[:orange[{plain(describe_opinions(finding))}]]"
    )
    for opinion in finding.opinions:
        model = f"{opinion.model} {opinion.version}"
        call = opinion.call or "indeterminate"
        verdict = f"{BADGE_SIGNS[call]} {call_name(call)}"
        if opinion.needs_age:
            verdict = "age needed"
        st.markdown(f":small[{plain(model)}: {plain(verdict)}]")
        if not opinion.needs_age:
            _draw_bar(opinion, f"{finding.name}, {model}")


def _offer_edited_ratio(
    state: ReadPageState, entry: StudyEntry, reading: Reading, finding: FindingReading
) -> None:
    """Say which ratio the probability rests on once a person has set the diameters, and offer the other one."""
    edited = any(m.edited and m.value is not None for m in reading.measurements)
    cards = [opinion.card for opinion in split_opinions([finding]) if opinion.card is not None]
    if not edited or not any(finding.finding in card.fusion for card in cards):
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
    if finding.fusion_parts is None or not finding.fusion_parts.uses_ratio:
        return "The probability does not use the edited CTR."
    return "The probability still rests on the automatic CTR."


def _show_without_age(finding: FindingReading) -> None:
    name = plain(finding.name)
    populations = [opinion.population or "" for opinion in split_opinions([finding])]
    made_for = plain(f"The model is for {populations[0]}.")
    if len(populations) > 1:
        made_for = plain(f"The models are for {' and '.join(populations)}.")
    st.markdown(f"**{name}** :blue-badge[Age needed] :small[:gray[{made_for}]]")

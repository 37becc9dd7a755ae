"""Asks for the decision, and for the prevalence of each finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from cxr_core.decisions import ERRORS, SINGLE_THRESHOLDS
from cxr_core.presentation.wording import (
    decision_name,
    finding_in_sentence,
    finding_name,
    have_finding,
)
from pages.components.markdown import plain
from pages.components.session import (
    choose_prevalence,
    chosen_prevalence,
    field_value,
    set_field_value,
)

if TYPE_CHECKING:  # the first paint does without numpy
    from cxr_core.models.card import ModelCard
    from cxr_core.reading.site_profile import SiteProfile

SINGLE_THRESHOLD = "single"  # a choice that asks for one of the three
CAPTIONS = {
    "standard": "Target: at most 10 % missed and 10 % false alarms.",
    "strict": "Target: 5 % of each; more undecided.",
    SINGLE_THRESHOLD: "No film is undecided.",
    "balanced": "Misses and false alarms weigh the same.",
    "sensitive": "Chosen to detect 95 % of films with the finding.",
    "specific": "Chosen to clear 95 % of films without it.",
}
LOWEST_PERCENT, HIGHEST_PERCENT = 0.01, 99.0


def ask_decision(cards: Iterable[ModelCard], widget_key: str) -> str:
    """Ask for the decision; the chosen one says how it did on test films, as far as these models' cards record it."""
    decision = _ask_decision(widget_key)
    figures = _describe_figures(list(cards), decision)
    if figures:
        st.caption(figures)
    return decision


def _ask_decision(widget_key: str) -> str:
    decision = st.radio(
        "Decision",
        [*ERRORS, SINGLE_THRESHOLD],
        format_func=lambda key: (
            "Single threshold" if key == SINGLE_THRESHOLD else decision_name(key)
        ),
        captions=[CAPTIONS[key] for key in (*ERRORS, SINGLE_THRESHOLD)],
        key=widget_key,
        persist_state="session",
        help="When a finding is suspected, not suspected or undecided. The error is that on films like those on which "
        "the thresholds were chosen, which no model was trained on.",
    )
    if decision != SINGLE_THRESHOLD:
        return decision
    return st.radio(
        "Single threshold",
        list(SINGLE_THRESHOLDS),
        format_func=decision_name,
        captions=[CAPTIONS[key] for key in SINGLE_THRESHOLDS],
        key=f"{widget_key}-threshold",
        persist_state="session",
        label_visibility="collapsed",
    )


def ask_prevalences(
    cards: Iterable[ModelCard], widget_key: str, site_profile: SiteProfile | None = None
) -> Mapping[str, float]:
    """Ask for the prevalence of each finding whose models say at which prevalence they were calibrated.

    site_profile: its prevalence comes before that of the calibration. Returns those that the user chose.
    """
    defaults: dict[str, tuple[float, str]] = {}
    for card in cards:
        for finding in card.findings:
            calibrated = card.calibration_prevalence(finding)
            if calibrated is not None:
                found = _find_default(card, finding, calibrated, site_profile)
                defaults.setdefault(finding, found)
    if defaults:
        _show_prevalences(defaults, widget_key)
    chosen = {finding: chosen_prevalence(finding) for finding in defaults}
    return {finding: share for finding, share in chosen.items() if share is not None}


def _show_prevalences(defaults: Mapping[str, tuple[float, str]], widget_key: str) -> None:
    """The fields for the prevalences, folded; their heading says when one was chosen."""
    is_changed = any(chosen_prevalence(finding) is not None for finding in defaults)
    # Drawn once it is opened: each field would slow every run of the page.
    folder = st.expander(
        "Prevalence (changed)" if is_changed else "Prevalence",
        key=widget_key,
        icon=":material/percent:",
        on_change="rerun",
    )
    if not folder.open:
        return
    with folder:
        for finding, (default, origin) in defaults.items():
            ask_prevalence(
                finding,
                default,
                label=f"Prevalence of {finding_in_sentence(finding)}, in %",
                help_text=f"The share of your films that {have_finding(finding)}. It moves the probability, never the "
                f"verdict. {origin}",
                widget_key=f"{widget_key}-{finding}",
            )


def _find_default(
    card: ModelCard, finding: str, calibrated: float, site_profile: SiteProfile | None
) -> tuple[float, str]:
    """The prevalence of a finding where none was chosen, and where it comes from, in a sentence."""
    from cxr_core.reading.site_profile import find_site_mark

    mark = find_site_mark(site_profile, card, finding)
    if mark is not None and mark.profile is not None and mark.prevalence is not None:
        share = f"{100 * mark.prevalence:.1f} %"
        return (
            mark.prevalence,
            f"That of this site, {share}, installed on {mark.profile.installed_on}.",
        )
    return calibrated, _describe_default(finding, calibrated, estimated=finding in card.label_noise)


def _describe_default(finding: str, prevalence: float, *, estimated: bool) -> str:
    """The prevalence among the films that calibrated a model. estimated: it is that of readers' verdicts."""
    films = "the films that calibrated the model"
    if estimated:
        return f"Of {films}, readers would call about {100 * prevalence:.1f} %: an estimate."
    return f"Of {films}, {100 * prevalence:.1f} % {have_finding(finding)}."


def ask_prevalence(
    finding: str,
    default: float,
    *,
    label: str,
    help_text: str,
    widget_key: str,
    width: int | Literal["stretch"] = "stretch",
) -> float:
    """Ask for the share of patients with a finding, within 0 and 1: one setting of the session, for all pages.

    default: while nothing was chosen, and once the field is emptied.
    """
    chosen = chosen_prevalence(finding)
    share = default if chosen is None else chosen
    set_field_value(widget_key, round(min(max(100 * share, LOWEST_PERCENT), HIGHEST_PERCENT), 2))
    st.number_input(
        label,
        LOWEST_PERCENT,
        HIGHEST_PERCENT,
        value=None,  # so that it can be emptied
        step=0.5,
        format="%.2f",
        key=widget_key,
        help=help_text,
        width=width,
        on_change=partial(_store_prevalence, finding, widget_key),
    )
    return share


def _store_prevalence(finding: str, widget_key: str) -> None:
    percent = field_value(widget_key)
    choose_prevalence(finding, None if percent is None else percent / 100)


def _describe_figures(cards: Sequence[ModelCard], decision: str) -> str:
    """Sensitivity and specificity of a decision on test films, by finding; empty where none is recorded."""
    answers = Counter(finding for card in cards for finding in card.findings)
    figures = [
        f"{_name_answer(card, finding, decision, answers[finding] > 1)}: sensitivity {_percent(sensitivity)}, "
        f"specificity {_percent(specificity)}"
        for card in cards
        for finding in card.findings
        for sensitivity, specificity in recorded_rates(card, finding, decision)
    ]
    if figures:
        figures.insert(0, "On test films:")
    return "  \n".join(figures)


def _name_answer(card: ModelCard, finding: str, decision: str, is_one_of_several: bool) -> str:
    """A finding, with its model's patients where several models answer it, and its decision where it is its own."""
    remarks = [card.population.text] if is_one_of_several else []
    effective = card.effective_decision(finding, decision)
    if effective != decision:
        remarks.append(decision_name(effective).lower())
    return plain(
        f"{finding_name(finding)} ({'; '.join(remarks)})" if remarks else finding_name(finding)
    )


def recorded_rates(card: ModelCard, finding: str, decision: str) -> Iterator[tuple[float, float]]:
    """Sensitivity and specificity of a decision on test films, where the card records both.

    With the ratio where the card combines them, as a reading does.
    """
    from cxr_core.models.figures import parse_figure

    decision = card.effective_decision(finding, decision)
    split = "test_combined" if finding in card.fusion else "test"
    recorded: Any = card.metrics.get(split, {}).get(finding, {})
    if decision in ERRORS:
        table = recorded.get("decisions", {}).get(decision, {})
        names = ("present_suspected", "absent_not_suspected")
    else:
        table = recorded.get(SINGLE_THRESHOLDS.get(decision, ""), {})
        names = ("sensitivity", "specificity")
    figures = [parse_figure(table.get(name)) for name in names]
    rates = [figure.value for figure in figures if figure and figure.value is not None]
    if len(rates) == len(names):
        yield rates[0], rates[1]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"

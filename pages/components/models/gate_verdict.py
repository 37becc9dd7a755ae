"""Shows the gate's verdict: open or closed and why, every check with its sentence, the films it rests on."""

import streamlit as st

from cxr_core.presentation.wording import finding_in_sentence, format_count
from cxr_core.promotion.gate.checks import Check, Status
from cxr_core.promotion.gate.verdict import OfficialTest, Verdict
from pages.components.markdown import plain

STATUS_MARKS: dict[Status, str] = {
    "pass": ":green[:material/check: pass]",
    "fail": ":red[:material/close: fail]",
    "not enough cases": ":orange[:material/question_mark: not enough cases]",
    "not applicable": ":gray[not applicable]",
}


def show_verdict(verdict: Verdict) -> None:
    """The whole verdict, the answer first."""
    comparison = (
        f"compared with {verdict.incumbent}"
        if verdict.incumbent
        else "which replaces no model in use"
    )
    model = f"{plain(verdict.model)} {plain(verdict.version)}, {plain(comparison)}"
    if verdict.is_open:
        st.success(f"**The gate is open** for {model}.", icon=":material/lock_open:")
    else:
        st.error(
            f"**The gate is closed** for {model}. The checks that close it are listed first.",
            icon=":material/lock:",
        )
    if verdict.undecided:
        st.caption(
            f"{len(verdict.undecided)} of {len(verdict.checks)} checks had too few cases to decide; that is no pass."
        )
    checks = sorted(verdict.checks, key=lambda check: not check.refuses)
    with_incumbent = any(check.incumbent for check in checks)
    rows = [_make_row(check, with_incumbent) for check in checks]
    st.table(rows, border="horizontal", hide_header=False, hide_index=True)
    st.caption(f"Measured on: {plain(verdict.comparison_set)} {verdict.rules_in_words}")
    if verdict.official_test is not None:
        sentences = _describe_official_test(verdict.official_test)
        if sentences:
            st.caption(" ".join(sentences))
    made = verdict.made.replace("T", ", ").replace("+00:00", " UTC")
    st.caption(f"Verdict of {plain(made)}.")


def _make_row(check: Check, with_incumbent: bool) -> dict[str, str]:
    row = {"Check": plain(_name_check(check)), "Result": STATUS_MARKS[check.status]}
    if with_incumbent:
        row["Compared with"] = plain(check.incumbent) or "–"
    return {**row, "Details": plain(check.sentence)}


def _name_check(check: Check) -> str:
    name = check.name[:1].upper() + check.name[1:]
    return f"{name}, {finding_in_sentence(check.finding)}" if check.finding else name


def _describe_official_test(test: OfficialTest) -> list[str]:
    """The figures on test films in sentences, with how often its films had been used."""
    sentences = []
    for finding, figures in test.findings.items():
        auroc = figures.get("auroc")
        if auroc is None or auroc.value is None or auroc.low is None or auroc.high is None:
            continue
        interval = f"{auroc.value:.3f} ({auroc.low:.3f} to {auroc.high:.3f})"
        name = plain(finding_in_sentence(finding))
        counts = f"{auroc.positives:,} positive of {format_count(auroc.n, 'films')}"
        sentences.append(f"Test films, {name}: AUROC {interval}, {counts}.")
    if sentences and test.uses is not None:
        sentences.append(
            f"By then, these films had been used for {format_count(test.uses.evaluations, 'evaluations')} of "
            f"{format_count(test.uses.models, 'models')}. "
            "Choosing between models by the same test films again and again fits the choice to them."
        )
    return sentences

"""The gate's verdict on the screen: open or shut and why, every check with its sentence, the films it rests on."""

from typing import Any

import streamlit as st

from cxr_core.presentation.wording import finding_name
from cxr_core.promotion.gate.verdict import Status, Verdict
from pages.components.markdown import plain

MARKS: dict[Status, str] = {
    "pass": ":green[:material/check: pass]",
    "fail": ":red[:material/close: fail]",
    "not enough cases": ":orange[:material/question_mark: not enough cases]",
    "not applicable": ":gray[not applicable]",
}


def show_verdict(verdict: Verdict) -> None:
    """All of a verdict, the answer first."""
    against = f"beside {verdict.rival}" if verdict.rival else "with none of its name installed"
    who = f"{plain(verdict.model)} {plain(verdict.version)}, {plain(against)}"
    if verdict.opens:
        st.success(f"**The gate is open** for {who}.", icon=":material/lock_open:")
    else:
        st.error(
            f"**The gate is shut** for {who}. What keeps it shut is listed first.",
            icon=":material/lock:",
        )
    if verdict.unknown:
        st.caption(
            f"{len(verdict.unknown)} of {len(verdict.checks)} checks had too few cases to tell; that is never a pass."
        )
    ordered = sorted(verdict.checks, key=lambda check: not check.refuses)
    rows = [
        {
            "Check": plain(_named(check.name, check.finding)),
            "Result": MARKS[check.status],
            "What was found": plain(check.sentence),
        }
        for check in ordered
    ]
    st.table(rows, border="horizontal", hide_header=False, hide_index=True)
    st.caption(f"Compared on: {plain(verdict.films)}")
    if verdict.official_test.get("findings"):
        st.caption(" ".join(_official(verdict.official_test)))
    st.caption(f"Asked on {plain(verdict.made.replace('T', ', ').replace('+00:00', ' UTC'))}.")


def _named(name: str, finding: str) -> str:
    named = name[:1].upper() + name[1:]
    return f"{named}, {finding_name(finding).lower()}" if finding else named


def _official(told: Any) -> list[str]:
    """The official test in sentences, with how often it has been looked at."""
    said = []
    for finding, figures in told["findings"].items():
        auroc = figures.get("auroc", {})
        if auroc.get("value") is not None and auroc.get("low") is not None:
            interval = f"{auroc['value']:.3f} ({auroc['low']:.3f} to {auroc['high']:.3f})"
            counts = f"{auroc['positives']:,} positive of {auroc['n']:,} films"
            said.append(
                f"Official test, {plain(finding_name(finding).lower())}: AUROC {interval}, {counts}."
            )
    uses = told.get("uses") or {}
    if uses:
        said.append(
            f"When the gate was asked, these films had been measured on {uses['evaluations']} times, "
            f"{uses['models']} different models: choosing by them again and again would select on them."
        )
    return said

"""Verdicts of the gate, for tests of pages."""

from dataclasses import replace

from cxr_core.promotion.gate.checks import Check
from cxr_core.promotion.gate.verdict import Fingerprints, Verdict

HOSTILE = "<img src=x onerror=alert(1)> **bold**"
CLOSED = Verdict(
    model="tiny",
    version="1.0.0",
    incumbent="tiny 1.0.0",
    split="test",
    comparison_set="60 films",
    checks=(
        Check(name="population", status="pass", sentence="Made for anybody."),
        Check(
            name="AUROC",
            finding="pneumonia",
            status="fail",
            sentence=f"significantly worse {HOSTILE}",
        ),
        Check(
            name="AP films",
            finding="pneumonia",
            status="not enough cases",
            sentence="3 films",
            needed=False,
        ),
    ),
    official_test=None,
    limits={},
    fingerprints=Fingerprints(candidate="", incumbent=""),
    made="2026-11-21T10:00:00+00:00",
)
OPEN = replace(CLOSED, checks=tuple(check for check in CLOSED.checks if not check.refuses))

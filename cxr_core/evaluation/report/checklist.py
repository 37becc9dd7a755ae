"""Lists what reporting guidelines require of an evaluation, and where its report answers: TRIPOD+AI and CLAIM.

Sources: Collins et al. 2024, BMJ 385:e078378 (TRIPOD+AI, 27 items); Mongan et al. 2020, Radiol. Artif. Intell.
2:e200029 (CLAIM, 42 items).
"""

from collections.abc import Collection
from typing import NamedTuple

from cxr_core.evaluation.report import recalibration
from cxr_core.evaluation.report.document import Paragraph, Section, Table

TITLE = "What journals require"
HEAD, FOOT = "the first lines", "the last line"
PREDICTIONS, CHARTS = "predictions.csv, beside this report", "the charts"
FIGURES, POINTS, GROUPS = "Figures", "Calls at each operating point", "Subgroups"
BOXES, CHEST = "Localisation: boxes", "Localisation: heart and lungs"
RECALIBRATED = recalibration.TITLE
TRAINING, PROVENANCE = "Training", "Provenance"
ALWAYS_THERE = (HEAD, FOOT, PREDICTIONS, CHARTS)  # not headings, but in every report
NOT_THERE = "not in this report"


class ChecklistItem(NamedTuple):
    """Item numbers of both guidelines, what they require, and the places of a report that may answer."""

    tripod: str
    claim: str
    requirement: str
    places: tuple[str, ...]


ITEMS = (
    ChecklistItem("3b", "3", "target population of the model", (PROVENANCE,)),
    ChecklistItem("5a", "7", "source of the films, by hash and terms", (PROVENANCE,)),
    ChecklistItem("12a", "20", "the split evaluated, and its hash", (HEAD, PROVENANCE)),
    ChecklistItem(
        "12e", "28", "how performance is measured, with clinical utility", (CHARTS, FIGURES)
    ),
    ChecklistItem("12f, 24", "", "whether the model was updated", (RECALIBRATED,)),
    ChecklistItem("", "23", "the software", (FOOT,)),
    ChecklistItem("", "26", "how the final model was selected", (TRAINING,)),
    ChecklistItem("", "29", "uncertainty of the figures", (FIGURES, FOOT)),
    ChecklistItem("14, 23a", "", "fairness: figures by subgroup", (GROUPS,)),
    ChecklistItem("15", "", "the model's output, and its thresholds", (POINTS, PROVENANCE)),
    ChecklistItem("", "31", "how far explanations can be trusted", (BOXES, CHEST)),
    ChecklistItem("20a, 21", "33", "patients, films and positives", (HEAD,)),
    ChecklistItem("20b", "34", "films by sex, age, view and source", (GROUPS,)),
    ChecklistItem("22", "", "the exact model", (PROVENANCE,)),
    ChecklistItem("23a", "35, 36", "performance with intervals", (FIGURES, POINTS)),
    ChecklistItem("", "37", "where it fails", (PREDICTIONS,)),
)
LEFT_TO_AUTHORS = (
    "All other items are left to the authors, among them settings and dates of the data (5b, 6a), how labels were "
    "made (8a to 8c; CLAIM 14 to 18), sample size (10; CLAIM 19), how training and test films differ (16), ethics, "
    "funding, protocol and registration (17, 18; CLAIM 40 to 42), limitations and use (25 to 27; CLAIM 38, 39)."
)


def build_checklist_section(headings: Collection[str]) -> Section:
    """Every item with the places of a report that answer it. headings: those of the report."""
    rows = []
    for item in ITEMS:
        places = [place for place in item.places if place in headings or place in ALWAYS_THERE]
        answer = "; ".join(places) or NOT_THERE
        rows.append([item.tripod, item.claim, item.requirement, answer])
    introduction = "Items of TRIPOD+AI (2024) and CLAIM (2020), and where this report answers them."
    return Section(
        TITLE,
        [
            Paragraph(introduction, "quiet"),
            Table(("TRIPOD+AI", "CLAIM", "Requirement", "Where it is answered"), rows, "wide"),
            Paragraph(LEFT_TO_AUTHORS, "quiet"),
        ],
    )

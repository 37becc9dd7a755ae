"""What reporting guidelines ask of an evaluation, and where its report answers: TRIPOD+AI and CLAIM.

Sources: Collins et al. 2024, BMJ 385:e078378 (TRIPOD+AI, 27 items); Mongan et al. 2020, Radiol. Artif. Intell.
2:e200029 (CLAIM, 42 items).
"""

from collections.abc import Collection, Iterator

from cxr_core.presentation.html import element, table

HEAD, FOOT, FILES, CHARTS = (
    "the first lines",
    "the last line",
    "predictions.csv, beside this report",
    "the charts",
)
FIGURES, POINTS, GROUPS = "Figures", "Calls at each operating point", "For whom"
BOXES, CHEST, MENDED = (
    "Where the heatmap points",
    "Where the evidence lies",
    "Recalibrated for these films",
)
TRAINED, ORIGIN = "How it was trained", "Where it comes from"
ASKED: tuple[
    tuple[str, str, str, tuple[str, ...]], ...
] = (  # TRIPOD+AI, CLAIM, what is asked, where it may stand
    ("3b", "3", "whom the model is for", (ORIGIN,)),
    ("5a", "7", "the source of the films, by their hash and terms", (ORIGIN,)),
    ("12a", "20", "which part was measured, and the hash of its division", (HEAD, ORIGIN)),
    ("12e", "28", "how performance is measured, clinical utility with it", (CHARTS, FIGURES)),
    ("12f, 24", "", "whether the model was updated", (MENDED,)),
    ("", "23", "the software", (FOOT,)),
    ("", "26", "how the final model was selected", (TRAINED,)),
    ("", "29", "how sure the figures are", (FIGURES, FOOT)),
    ("14, 23a", "", "fairness: figures by group", (GROUPS,)),
    ("15", "", "what the model puts out, and its thresholds", (POINTS, ORIGIN)),
    ("", "31", "what the explanations are worth", (BOXES, CHEST)),
    ("20a, 21", "33", "patients, films and positives", (HEAD,)),
    ("20b", "34", "films by sex, age, view and source", (GROUPS,)),
    ("22", "", "which model exactly", (ORIGIN,)),
    ("23a", "35, 36", "performance with intervals", (FIGURES, POINTS)),
    ("", "37", "where it fails", (FILES,)),
)
ALWAYS = (HEAD, FOOT, FILES, CHARTS)
LEFT = (
    "All other items are left to the authors, among them settings and dates of the data (5b, 6a), how labels were "
    "made (8a to 8c; CLAIM 14 to 18), sample size (10; CLAIM 19), how training and test films differ (16), ethics, "
    "funding, protocol and registration (17, 18; CLAIM 40 to 42), limitations and use (25 to 27; CLAIM 38, 39)."
)


def checklist_section(headings: Collection[str]) -> Iterator[str]:
    """The items that a report may answer, each with where it does. headings: those that the report has."""
    yield element("h2", "What journals ask")
    yield element(
        "p",
        "Items of TRIPOD+AI (2024) and CLAIM (2020), and where this report answers them.",
        "quiet",
    )
    rows = []
    for tripod, claim, asked, places in ASKED:
        there = [place for place in places if place in headings or place in ALWAYS]
        rows.append([tripod, claim, asked, "; ".join(there) or "not in this report"])
    yield table(("TRIPOD+AI", "CLAIM", "What is asked", "Where it is answered"), rows, "wide")
    yield element("p", LEFT, "quiet")

"""Shows the issues that the dataset checks found, by severity, and records decisions about them."""

from collections.abc import Callable

import streamlit as st

from cxr_core.data.checks.decision import Action, Decision
from cxr_core.data.checks.issue import Issue
from cxr_core.data.checks.issue_kinds import SEVERITIES, Severity
from cxr_core.data.checks.near_duplicates import CODES as NEAR_DUPLICATES
from cxr_core.data.prepare import record_decision, withdraw_decision
from cxr_core.data.registry import Dataset
from cxr_core.data.selection import Selection
from cxr_core.presentation.wording import format_count
from pages.components.datasets.contents import DatasetContents
from pages.components.datasets.film_dialog import show_dataset_film
from pages.components.datasets.near_duplicates import show_groups
from pages.components.datasets.page_state import DataPageState
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.wording import format_minute

HEADINGS: dict[Severity, str] = {"blocking": "Blocking", "warning": "Warnings", "note": "Notes"}
MEANINGS: dict[Severity, str] = {
    "blocking": "Nothing is trained until each of these is excluded or accepted.",
    "warning": "These stop nothing; read them before you trust a figure.",
    "note": "For your information.",
}
ICONS: dict[Severity, str] = {
    "blocking": ":material/block:",
    "warning": ":material/warning:",
    "note": ":material/info:",
}
LABEL_CODES = ("unknown_label", "unknown_columns", "unused_mapping")  # solved by mapping labels
REPORT_FILES = (
    ("Report (HTML)", "report.html", "text/html"),
    ("Report (JSON)", "report.json", "application/json"),
    ("Excluded and unreadable films (CSV)", "quarantine.csv", "text/csv"),
)


def show_checks(state: DataPageState, dataset: Dataset, contents: DatasetContents) -> None:
    """The issues, the worst first, and the reports to download."""
    offer_check_reports(dataset)
    if not contents.issues:
        st.markdown("The checks found no issue.")
    for severity in SEVERITIES:
        numbers = [
            number for number, issue in enumerate(contents.issues) if issue.severity == severity
        ]
        if numbers:
            st.markdown(f"**{HEADINGS[severity]}** :gray[· {len(numbers)} · {MEANINGS[severity]}]")
            with st.container(gap="xsmall"):
                for number in numbers:
                    _show_issue(state, dataset, contents, number)
    if state.opening_film:
        state.opening_film = False
        show_dataset_film(state, dataset, contents)


def offer_check_reports(dataset: Dataset) -> None:
    """The report as a page and as JSON, and the list of films that are left out."""
    with st.container(horizontal=True, gap="small"):
        for label, name, mime in REPORT_FILES:
            path = dataset.folder / name
            if path.is_file():
                st.download_button(
                    label,
                    path.read_bytes,
                    file_name=f"{dataset.name}-{name}",
                    mime=mime,
                    on_click="ignore",
                    icon=":material/download:",
                    key=f"file-{dataset.name}-{name}",
                )


def _show_issue(
    state: DataPageState, dataset: Dataset, contents: DatasetContents, number: int
) -> None:
    issue, decision = contents.issues[number], contents.decisions[number]
    needs_decision = issue.severity == "blocking" and decision is None
    badge = f" :gray-badge[{_decision_word(decision)}]" if decision else ""
    label = f"{plain(issue.title)} :gray[· {issue.count:,}]{badge}"
    with st.expander(label, expanded=needs_decision, icon=ICONS[issue.severity]):
        st.markdown(plain(issue.message))
        if issue.examples:
            st.caption("For example " + ", ".join(plain(example) for example in issue.examples))
        st.markdown(f"**What to do:** {plain(issue.remedy)}")
        if issue.code in LABEL_CODES:
            st.button(
                "Map labels",
                key=f"map-{dataset.name}-{number}",
                icon=":material/label:",
                on_click=state.show_labels,
            )
        if issue.code in NEAR_DUPLICATES:
            if st.toggle(
                "Show the films side by side",
                value=needs_decision,
                key=f"groups-{dataset.name}-{number}",
            ):
                show_groups(state, dataset, contents, issue)
        elif issue.images:
            st.button(
                f"Show {format_count(len(issue.images), 'films')}",
                key=f"show-{dataset.name}-{number}",
                icon=":material/image_search:",
                on_click=state.explore_films,
                args=(Selection(issue=issue.code),),
            )
        if decision:
            _show_decision(dataset, number, issue, decision)
        elif issue.severity == "blocking" or issue.images:
            _ask_decision(dataset, number, issue)


def _decision_word(decision: Decision) -> str:
    return "excluded" if decision.action == "exclude" else "accepted"


def _show_decision(dataset: Dataset, number: int, issue: Issue, decision: Decision) -> None:
    what = _decision_word(decision)
    if decision.action == "exclude":
        what = f"{format_count(decision.count, 'films')} excluded"
    note = f": {plain(decision.note)}" if decision.note else ""
    st.markdown(f"**Decision:** {what}, {plain(format_minute(decision.when))}{note}")
    if st.button(
        "Withdraw this decision", key=f"withdraw-{dataset.name}-{number}", icon=":material/undo:"
    ):
        _apply_change(lambda: withdraw_decision(dataset, issue.code))


def _ask_decision(dataset: Dataset, number: int, issue: Issue) -> None:
    note = st.text_input(
        "Reason (kept on record)", key=f"note-{dataset.name}-{number}", max_chars=500
    )
    action: Action | None = None
    with st.container(horizontal=True, gap="small"):
        if issue.images and st.button(
            f"Exclude {format_count(len(issue.images), 'films')}",
            key=f"exclude-{dataset.name}-{number}",
            icon=":material/remove_circle:",
            help="Leaves these films out of training and evaluation from now on. The files stay.",
        ):
            action = "exclude"
        if st.button(
            "Accept",
            key=f"accept-{dataset.name}-{number}",
            icon=":material/check_circle:",
            help="Uses these films as they are. The decision applies as long as the issue concerns the same films.",
        ):
            action = "accept"
    if action is not None:
        chosen = action
        _apply_change(lambda: record_decision(dataset, issue.code, chosen, note.strip()))


def _apply_change(change: Callable[[], Dataset]) -> None:
    """Change the record and rerun the page; or say why it cannot be changed."""
    with show_errors():
        change()
        st.rerun()

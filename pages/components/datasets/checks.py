"""What the doctor found, by severity; for what blocks or names films, the choice that is on record."""

from collections.abc import Callable

import streamlit as st

from cxr_core.data.checks.decision import Action, Decision
from cxr_core.data.checks.issue import SEVERITIES, Issue, Severity
from cxr_core.data.prepare import record_decision, withdraw_decision
from cxr_core.data.registry import Dataset
from cxr_core.data.selection import Selection
from cxr_core.errors import SilhouetteError
from pages.components.datasets.contents import Contents
from pages.components.datasets.overview import day
from pages.components.markdown import plain
from pages.components.session import Exploration

HEADINGS: dict[Severity, str] = {"blocking": "Blocking", "warning": "Warnings", "note": "Notes"}
MEANINGS: dict[Severity, str] = {
    "blocking": "Training is stopped until each is excluded or accepted.",
    "warning": "Nothing is stopped; read them before you trust a figure.",
    "note": "For the record.",
}
ICONS: dict[Severity, str] = {
    "blocking": ":material/block:",
    "warning": ":material/warning:",
    "note": ":material/info:",
}
FILES = (
    ("Report (HTML)", "report.html", "text/html"),
    ("Report (JSON)", "report.json", "application/json"),
    ("Films left out (CSV)", "quarantine.csv", "text/csv"),
)


def show_doctor(exploration: Exploration, dataset: Dataset, contents: Contents) -> None:
    """The issues, the worst first, and the reports to take away."""
    offer_files(dataset)
    if not contents.issues:
        st.markdown("The doctor found nothing to say.")
    for severity in SEVERITIES:
        found = [
            (place, issue)
            for place, issue in enumerate(contents.issues)
            if issue.severity == severity
        ]
        if found:
            st.markdown(f"**{HEADINGS[severity]}** :gray[· {len(found)} · {MEANINGS[severity]}]")
            with st.container(gap="xsmall"):
                for place, issue in found:
                    _show_issue(exploration, dataset, place, issue, contents.choices[place])


def offer_files(dataset: Dataset) -> None:
    """The report as a page and as JSON, and the list of films left out, as they lie in the dataset's folder."""
    with st.container(horizontal=True, gap="small"):
        for label, name, mime in FILES:
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
    exploration: Exploration, dataset: Dataset, place: int, issue: Issue, choice: Decision | None
) -> None:
    open_now = issue.severity == "blocking" and choice is None
    made = (
        f" :gray-badge[{'excluded' if choice.choice == 'exclude' else 'accepted'}]"
        if choice
        else ""
    )
    label = f"{plain(issue.title)} :gray[· {issue.count:,}]{made}"
    with st.expander(label, expanded=open_now, icon=ICONS[issue.severity]):
        st.markdown(plain(issue.message))
        if issue.examples:
            st.caption("For example " + ", ".join(plain(each) for each in issue.examples))
        st.markdown(f"**What to do:** {plain(issue.remedy)}")
        if issue.images:
            noun = "film" if len(issue.images) == 1 else "films"
            st.button(
                f"Show {len(issue.images):,} {noun}",
                key=f"show-{dataset.name}-{place}",
                icon=":material/image_search:",
                on_click=exploration.explore,
                args=(Selection(issue=place),),
            )
        if choice:
            _show_choice(dataset, place, issue, choice)
        elif issue.severity == "blocking" or issue.images:
            _ask_choice(dataset, place, issue)


def _show_choice(dataset: Dataset, place: int, issue: Issue, choice: Decision) -> None:
    what = f"{choice.count:,} films excluded" if choice.choice == "exclude" else "accepted"
    note = f": {plain(choice.note)}" if choice.note else ""
    st.markdown(f"**On record:** {what}, {plain(day(choice.when))}{note}")
    if st.button(
        "Withdraw this choice", key=f"withdraw-{dataset.name}-{place}", icon=":material/undo:"
    ):
        _record(lambda: withdraw_decision(dataset, issue.code))


def _ask_choice(dataset: Dataset, place: int, issue: Issue) -> None:
    note = st.text_input("Why (kept on record)", key=f"note-{dataset.name}-{place}", max_chars=500)
    with st.container(horizontal=True, gap="small"):
        exclude = issue.images and st.button(
            f"Exclude {len(issue.images):,}" if len(issue.images) > 1 else "Exclude it",
            key=f"exclude-{dataset.name}-{place}",
            icon=":material/remove_circle:",
            help="These films are left out of training and evaluation from now on; the files stay.",
        )
        accept = st.button(
            "Accept",
            key=f"accept-{dataset.name}-{place}",
            icon=":material/check_circle:",
            help="Go on with these films as they are. The choice holds while the finding concerns the same films.",
        )
    chosen: Action | None = "exclude" if exclude else "accept" if accept else None
    if chosen:
        resolution = chosen
        _record(lambda: record_decision(dataset, issue.code, resolution, note.strip()))


def _record(change: Callable[[], Dataset]) -> None:
    """Change what is on record and show the page anew; why not, if it cannot be."""
    try:
        change()
    except SilhouetteError as error:
        st.error(plain(str(error)))
        return
    st.rerun()

"""Chooses a dataset and shows an overview of it: whether it may be trained on, its size and its origin."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from cxr_core.data.account import USED
from cxr_core.data.prepare import forget_dataset
from cxr_core.data.registry import Dataset
from cxr_core.data.sources.label_mapping import describe_mapping
from cxr_core.presentation.wording import format_count
from pages.components.datasets import add_dataset
from pages.components.datasets.contents import DatasetContents
from pages.components.datasets.page_state import DataPageState
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.wording import format_minute

PARAMETER = "dataset"  # of the address: a link leads to one dataset


def choose_dataset(state: DataPageState, datasets: Sequence[Dataset]) -> Dataset:
    """The dataset that was chosen here, or named in the address, or the first."""
    names = [dataset.name for dataset in datasets]
    requested = state.dataset or st.query_params.get(PARAMETER)
    if requested not in names:
        if requested is not None:
            st.warning(f"There is no dataset named {plain(requested)}. Choose one of these.")
        requested = names[0]
    state.dataset = requested
    picked = st.selectbox(
        "Dataset",
        names,
        index=names.index(requested),
        key=state.widget_key("dataset"),
        width=420,
    )
    if picked != requested:
        state.switch_dataset(picked)
    if st.query_params.get(PARAMETER) != picked:
        st.query_params[PARAMETER] = picked
    return datasets[names.index(picked)]


def show_damaged_datasets(folders: Sequence[Path]) -> None:
    """A warning for each dataset whose record cannot be read, with a button that removes it.

    folders: theirs in the register.
    """
    for folder in folders:
        st.warning(
            f"The record of the dataset {plain(folder.name)} cannot be read: it is damaged, or another version of the "
            "program wrote it. Remove it and prepare its films again. The films are not touched, but decisions about "
            "its issues have to be made again.",
            icon=":material/broken_image:",
        )
        st.button(
            f"Remove {plain(folder.name)}",
            key=f"forget-{folder.name}",
            on_click=show_errors()(forget_dataset),
            args=(folder,),
        )


def show_overview(state: DataPageState, dataset: Dataset, contents: DatasetContents) -> None:
    """Whether the dataset may be trained on, its splits, and its facts."""
    _show_verdict(dataset, contents)
    account = contents.listed.manifest.account_for_films()
    if account is not None:
        st.markdown(plain(account.sentence))
    with st.container(horizontal=True, gap="large"):
        with st.container(width=330, gap="xsmall"):
            st.table(
                _tabulate_splits(contents), border="horizontal", hide_header=False, hide_index=True
            )
        with st.container(key="dataset-facts", gap="xsmall"):
            details = _list_facts(dataset, contents)
            st.markdown("\n".join(f"- **{name}:** {plain(value)}" for name, value in details))
            offer_actions(state, dataset)


def _tabulate_splits(contents: DatasetContents) -> list[dict[str, str]]:
    summary = (contents.usable or contents.listed).summary
    counts = {**summary.splits, "all": (summary.films, summary.patients)}
    return [
        {"Split": name, "Films": f"{films:,}", "Patients": f"{patients:,}"}
        for name, (films, patients) in counts.items()
    ]


def _show_verdict(dataset: Dataset, contents: DatasetContents) -> None:
    blocking = len(contents.open_blocking_issues)
    if contents.usable is None:
        st.warning(
            "**Cannot be trained on:** none of its films can be used. Its tables can be viewed."
        )
    elif blocking:
        st.error(
            f"**Blocked by {format_count(blocking, 'issues')}.** Training needs each to be excluded or accepted."
        )
    elif any(issue.code == "no_labels" for issue in contents.issues):
        st.warning(
            "**Cannot be trained on yet:** no finding has labels. Map columns of the table to findings under Labels."
        )
    else:
        decisions = ""
        if dataset.decisions:
            decisions = f", with {format_count(len(dataset.decisions), 'decisions')} on record"
        warnings = sum(issue.severity == "warning" for issue in contents.issues)
        first = f"; read {format_count(warnings, 'warnings')} first" if warnings else ""
        st.success(f"**Ready for training**{decisions}{first}.")


def _list_facts(dataset: Dataset, contents: DatasetContents) -> list[tuple[str, str]]:
    table = contents.listed.manifest.table
    statuses = table["status"].value_counts()
    listed = f"{len(table):,}"
    left_out = []
    for status, count in statuses.items():
        if status != USED:
            left_out.append(f"{count:,} {str(status).replace('_', ' ')}")
    if left_out:
        listed += f", of them {', '.join(left_out)}"
    details = [
        ("Folders" if len(dataset.folders) > 1 else "Folder", ", ".join(map(str, dataset.folders))),
        ("Layout", add_dataset.LAYOUT_NAMES.get(dataset.kind, dataset.kind)),
        ("Films listed", listed),
        ("Prepared", format_minute(dataset.prepared)),
    ]
    if dataset.label_mapping:
        details.append(("Labels mapped", describe_mapping(dataset.label_mapping)))
    terms = contents.listed.manifest.terms
    if terms:
        details.append(("Terms", terms))
    return details


def offer_actions(state: DataPageState, dataset: Dataset) -> None:
    """Buttons that prepare the dataset again, or remove it."""
    with st.container(horizontal=True, gap="small"):
        check_again = st.button(
            "Check again",
            icon=":material/refresh:",
            key=state.widget_key("again"),
            help="Reads the folders again. Films that have not changed are not decoded again.",
        )
        st.page_link(
            "pages/review.py",
            label="Review its labels",
            icon=":material/rate_review:",
            query_params={PARAMETER: dataset.name},
        )
        with st.popover("Remove", icon=":material/delete:"):
            st.write(
                "Removes the dataset from the register, with its report and decisions. The films are not touched."
            )
            remove = st.button("Remove it", key=state.widget_key("remove"), type="primary")
    if check_again:
        add_dataset.start_preparation(state, list(dataset.folders), dataset.kind, dataset.name)
    if remove:
        forget_dataset(dataset.folder)
        state.dataset = None
        st.query_params.pop(PARAMETER, None)
        st.rerun()

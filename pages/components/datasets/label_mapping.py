"""Asks what a dataset's own labels mean: a finding, one that is defined here, nothing, or no finding."""

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from cxr_core.data.manifest import Manifest, UnusedColumn
from cxr_core.data.registry import Dataset
from cxr_core.data.sources.label_mapping import DETECT, IGNORE, NO_FINDING
from cxr_core.data.sources.labels import LABEL_VALUES
from cxr_core.known_findings import (
    MAX_DEFINITION,
    MAX_NAME,
    define_finding,
    known_findings,
    local_findings,
)
from cxr_core.presentation.wording import finding_name, format_count
from cxr_core.workspace.paths import printable
from pages.components.datasets.add_dataset import start_preparation
from pages.components.datasets.contents import DatasetContents
from pages.components.datasets.page_state import DataPageState
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain

TARGET_NAMES = {
    DETECT: "Not mapped",
    IGNORE: "Ignore",
    NO_FINDING: "No finding",
}
MOST_OTHERS = 50  # of the columns that do not look like labels


@dataclass(frozen=True, kw_only=True)
class LabelRow:
    """One label of the data. remark: what is known of it.  target: what it is mapped to."""

    label: str
    remark: str
    target: str


def show_labels(state: DataPageState, dataset: Dataset, contents: DatasetContents) -> None:
    """What each unknown label means, a form that changes it, and the findings that are defined here."""
    manifest = contents.listed.manifest
    with show_errors():
        _show_form(state, dataset, manifest)
    with show_errors():
        _show_definitions(state)


def list_label_rows(
    mapping: Mapping[str, str], manifest: Manifest
) -> tuple[list[LabelRow], list[LabelRow]]:
    """The labels that are mapped or may be labels, and the other columns that are not used."""
    rows = [LabelRow(label=label, remark="Mapped", target=to) for label, to in mapping.items()]
    for label, count in manifest.unknown_labels.items():
        remark = f"Label of {format_count(count, 'films')}"
        rows.append(LabelRow(label=label, remark=remark, target=DETECT))
    others: list[LabelRow] = []
    for column in manifest.unused_columns:
        row = LabelRow(label=column.name, remark=_describe_column(column), target=DETECT)
        (rows if column.may_be_label else others).append(row)
    return rows, others


def _describe_column(column: UnusedColumn) -> str:
    values = ", ".join(column.values) or "empty"
    if column.may_be_label:
        return f"Column, {column.positives:,} yes: {values}"
    return f"Column: {values}"


def _show_form(state: DataPageState, dataset: Dataset, manifest: Manifest) -> None:
    rows, others = list_label_rows(dataset.label_mapping, manifest)
    findings = ", ".join(finding_name(key) for key in manifest.findings) or "none"
    st.markdown(f"**Findings with labels:** {plain(findings)}.")
    if not rows and not others:
        st.markdown("Every column and label is known; there is nothing to map.")
        return
    st.caption(
        f"Choose what each label means. A label is {LABEL_VALUES}. The tables themselves are not changed, and films "
        "are not decoded again."
    )
    options = [DETECT, IGNORE, NO_FINDING, *known_findings()]
    with st.form(f"labels-{dataset.name}", border=False, enter_to_submit=False):
        chosen = {row.label: _ask_target(dataset, row, options) for row in rows}
        if others:
            with st.expander(f"Columns that do not look like labels · {len(others):,}"):
                for row in others[:MOST_OTHERS]:
                    chosen[row.label] = _ask_target(dataset, row, options)
                if len(others) > MOST_OTHERS:
                    st.caption(f"The first {MOST_OTHERS} are shown.")
        submitted = st.form_submit_button(
            "Save and prepare again", type="primary", icon=":material/label:"
        )
    if not submitted:
        return
    before = {row.label: row.target for row in (*rows, *others)}
    changes = {label: target for label, target in chosen.items() if target != before[label]}
    if not changes:
        st.info("Nothing is changed: every label means what it meant before.")
        return
    start_preparation(
        state, list(dataset.folders), dataset.kind, dataset.name, label_mapping=changes
    )


def _ask_target(dataset: Dataset, row: LabelRow, options: list[str]) -> str:
    shown = options if row.target in options else [*options, row.target]
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width=320, gap=None):
            st.markdown(f"**{plain(printable(row.label))}**")
            st.caption(plain(row.remark))
        target: str = st.selectbox(
            f"Meaning of {printable(row.label)}",
            shown,
            index=shown.index(row.target),
            format_func=lambda key: TARGET_NAMES.get(key) or finding_name(key),
            key=f"label-{dataset.name}-{dataset.prepared}-{row.label}",
            label_visibility="collapsed",
            width=340,
        )
    return target


def _show_definitions(state: DataPageState) -> None:
    """The findings that this workspace defines, and a form for another."""
    st.markdown("##### Findings of your own")
    st.caption(
        "A finding that the program does not know trains, is measured and is read like any other. Every page and "
        "report marks it as locally defined, and its models carry the definition."
    )
    findings = local_findings().values()
    for finding in findings:
        st.markdown(
            f"- **{plain(finding.name)}** :gray[{plain(finding.key)}]: {plain(finding.definition)}"
        )
    if findings:
        st.caption(
            "A definition stays as it is: runs and models were made with it and carry a copy. For another meaning, "
            "define another finding."
        )
    with (
        st.popover("Define a finding", icon=":material/add:"),
        st.form(state.widget_key("define-finding"), border=False, enter_to_submit=False),
    ):
        name = st.text_input("Name", max_chars=MAX_NAME, placeholder="Rib fracture")
        key = st.text_input(
            "Key",
            max_chars=40,
            placeholder="rib_fracture",
            help="What files and recipes call it: small letters a to z, digits and underscores.",
        )
        definition = st.text_area(
            "Definition",
            max_chars=MAX_DEFINITION,
            height=80,
            placeholder="A break of one or more ribs, fresh or old.",
        )
        if st.form_submit_button("Define", type="primary"):
            with show_errors():
                define_finding(key, name, definition)
                state.widget_generation += 1
                st.rerun()

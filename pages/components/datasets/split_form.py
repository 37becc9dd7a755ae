"""The form for a new split of a dataset: how to divide the patients, a look at the result, and its name."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from cxr_core.data.manifest import Manifest
from cxr_core.data.registry import Dataset
from cxr_core.data.splits.own_list import read_own_split
from cxr_core.data.splits.plan import (
    MAX_FOLDS,
    has_official_test,
    plan_by_ratios,
    plan_folds,
    plan_official,
)
from cxr_core.data.splits.preview import SplitPreview, count_split
from cxr_core.data.splits.saved_split import save_split
from cxr_core.presentation.wording import finding_name
from pages.components.datasets.page_state import DataPageState
from pages.components.markdown import plain

RATIOS, FOLDS, LIST, OFFICIAL = "By shares", "Folds", "From a list", "As the data has it"
KINDS = (RATIOS, FOLDS, LIST, OFFICIAL)
MIN_CASES = 10  # films with, and without, a finding from which its share is balanced unless one says otherwise
FIELD_PX = 150
LIST_HELP = (
    "A CSV file with a column of films (image) or patients (patient), and a column split (train, val, test) or fold "
    "(1, 2, ...). All films of a patient must lie in one split. Films that the list leaves out are not used."
)


def plan_split(state: DataPageState, dataset: Dataset, manifest: Manifest) -> None:
    """Ask how to split, and plan it on a click. Another entry makes the last preview go."""
    key = f"split-{dataset.name}"
    kind = st.segmented_control("How", KINDS, default=RATIOS, required=True, key=f"{key}-kind")
    inputs: tuple[object, ...] = (dataset.name, kind)
    if kind == RATIOS:
        inputs += _ask_shares(key, manifest)
    elif kind == FOLDS:
        inputs += _ask_folds(key, manifest)
    elif kind == LIST:
        uploaded = st.file_uploader("List", type=["csv", "txt", "tsv"], key=key, help=LIST_HELP)
        inputs += (uploaded.name, uploaded.getvalue()) if uploaded else ()
    if state.split_inputs != inputs:
        state.split_preview, state.split_inputs = None, inputs
    if kind == LIST and len(inputs) == 2:
        st.caption(LIST_HELP)
        return
    clicked = st.button(
        "Preview",
        icon=":material/visibility:",
        type="secondary" if state.split_preview else "primary",
        key=f"{key}-preview",
        help="Counts who would lie in each split. Nothing is saved.",
    )
    if clicked:
        with st.spinner("Dividing the patients …"):
            state.split_preview = _make_preview(manifest, inputs)


def _make_preview(manifest: Manifest, inputs: tuple[object, ...]) -> SplitPreview:
    """Plan what was entered: dataset, kind and their arguments. Raises DataError when it cannot be done."""
    remarks: tuple[str, ...] = ()
    match inputs:
        case (_, _, str(ratios), tuple(findings), int(seed)):
            split = plan_by_ratios(manifest, ratios, findings, seed)
        case (_, _, int(folds), tuple(findings), int(seed)):
            split = plan_folds(manifest, folds, findings, seed)
        case (_, _, str(name), bytes(content)):
            own = read_own_split(manifest, content, name)
            split, remarks = own.split, own.remarks
        case _:
            split = plan_official(manifest)
    return SplitPreview(split=split, counts=count_split(manifest, split), remarks=remarks)


def _ask_shares(key: str, manifest: Manifest) -> tuple[str, tuple[str, ...], int]:
    official = has_official_test(manifest)
    with st.container(horizontal=True, gap="small"):
        train = st.number_input("Training (%)", 1, 99, 80, key=f"{key}-train", width=FIELD_PX)
        val = st.number_input("Validation (%)", 0, 99, 10, key=f"{key}-val", width=FIELD_PX)
        test = 0
        if not official:
            test = st.number_input("Test (%)", 0, 99, 10, key=f"{key}-test", width=FIELD_PX)
        seed = _ask_seed(key)
    total = train + val + test
    if official:
        count = int((manifest.table["split"] == "test").sum())
        st.caption(
            f"The data has an official test split of {count:,} films. It stays the test split; the other patients are "
            "divided."
        )
    if total != 100:
        shares = ", ".join(
            f"{round(100 * share / total)} %" for share in (train, val, test) if share
        )
        st.caption(f"Together {total} %; taken as {shares}.")
    return f"{train}:{val}:{test}", _ask_findings(key, manifest), seed


def _ask_folds(key: str, manifest: Manifest) -> tuple[int, tuple[str, ...], int]:
    with st.container(horizontal=True, gap="small"):
        folds = st.number_input("Folds", 2, MAX_FOLDS, 5, key=f"{key}-folds", width=FIELD_PX)
        seed = _ask_seed(key)
    if has_official_test(manifest):
        st.caption("The films of the official test split lie in no fold and are left alone.")
    return int(folds), _ask_findings(key, manifest), seed


def _ask_seed(key: str) -> int:
    return int(
        st.number_input(
            "Seed",
            0,
            10**9,
            0,
            key=f"{key}-seed",
            width=FIELD_PX,
            help="The same seed gives the same split of the same films.",
        )
    )


def _ask_findings(key: str, manifest: Manifest) -> tuple[str, ...]:
    frequent = [
        finding
        for finding in manifest.findings
        if min((manifest.table[finding] == label).sum() for label in (0, 1)) >= MIN_CASES
    ]
    chosen: Sequence[str] = st.multiselect(
        "Balanced for",
        manifest.findings,
        default=frequent,
        format_func=finding_name,
        key=f"{key}-findings",
        help="Each split gets its share of the films with and without these findings.",
    )
    return tuple(chosen)


def show_preview(state: DataPageState, dataset: Dataset, preview: SplitPreview) -> None:
    """The counts, and the button that saves the split."""
    st.markdown(f"**{plain(preview.split.record.description)}** :gray[:small[not saved yet]]")
    for remark in preview.remarks:
        st.warning(plain(remark))
    show_counts(preview.counts)
    st.caption(
        "A run whose recipe keeps a promotion holdout takes its patients out of training and validation, as with any "
        "other split."
    )
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        name = st.text_input(
            "Name",
            key=f"split-name-{dataset.name}",
            max_chars=80,
            width=320,
            placeholder="five-folds",
            help="Letters, digits, dots, + and -.",
        ).strip()
        if st.button(
            "Save split",
            type="primary",
            icon=":material/save:",
            disabled=not name,
            key=f"split-save-{dataset.name}",
        ):
            save_split(dataset, name, preview.split)
            state.split_preview = None
            state.message = f"The split {name} was saved."
            st.rerun()


def show_counts(counts: pd.DataFrame) -> None:
    """A table of `count_split`."""
    rows = counts.reset_index(names=["Films", "Value"])
    # A heading stands once, above the rows of its group.
    rows["Films"] = rows["Films"].where(~rows["Films"].duplicated(), "")
    st.dataframe(rows, hide_index=True, height="content", alt="Who lies in each split")

"""What a run learns from and begins with: datasets, a recipe, and the first weights."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from cxr_core.data.registry import Dataset, list_datasets
from cxr_core.errors import SilhouetteError
from cxr_core.findings import FINDINGS
from cxr_core.models.registry.registry import installed, installed_segmenter
from pages.components.markdown import plain
from pages.components.training.page_state import Draft

SCRATCH, IMAGENET, FILE, MODEL = "scratch", "imagenet", "file", "model"
BEGINNINGS = {
    SCRATCH: "Random",
    IMAGENET: "ImageNet",
    MODEL: "An installed model",
    FILE: "A file",
}
FIRST = "cardiomegaly-adults"


def ask_data(draft: Draft, datasets: Sequence[Dataset]) -> None:
    """Which registered datasets, with the doctor's verdict on each."""
    names = [dataset.name for dataset in datasets]
    if draft.data is None:
        draft.data = tuple(names[:1])
    named = _by_name(draft.data, datasets)
    chosen = st.multiselect(
        "Datasets",
        [*names, *(each for each in named if each not in names)],
        default=named,
        key=draft.lasting("data"),
        placeholder="Choose at least one",
        help="Registered on the Data page. Several are read, checked and divided as one.",
    )
    draft.data = tuple(chosen)
    for dataset in datasets:
        if dataset.name in chosen:
            _show_verdict(dataset)


def data_faults(draft: Draft, findings: Sequence[str]) -> list[str]:
    """Why nothing can be trained on what is chosen; empty when nothing speaks against it."""
    known = {dataset.name: dataset for dataset in list_datasets()}
    chosen = [known[name] for name in draft.data or () if name in known]
    faults = [] if draft.data else ["No dataset is chosen."]
    faults += [
        f"{each.name} has a blocking finding that nobody has decided about."
        for each in chosen
        if each.blocking()
    ]
    labelled = {key for each in chosen for key in each.findings()}
    missing = [FINDINGS[key].name.lower() for key in findings if key not in labelled]
    if missing and len(chosen) == len(draft.data or ()) > 0:
        faults.append(
            f"No film of this data has a label of {', '.join(missing)}, which the recipe is to learn."
        )
    return faults


def ask_recipe(draft: Draft) -> None:
    """Which recipe, with what it does and where it comes from; a run's own when that is tried again."""
    from cxr_core.training.recipe.form import named_recipes, open_recipe

    if draft.retry_of and draft.recipe is not None:
        st.markdown(
            f"The recipe of **{plain(draft.retry_of)}**, to be changed below. :small[{plain(draft.recipe.summary)}]"
        )
        if st.button(
            "Start from another recipe",
            type="tertiary",
            icon=":material/undo:",
            key=draft.widget("other"),
        ):
            draft.retry_of = ""
            draft.begin(FIRST, open_recipe(FIRST))
            st.rerun()
        return
    names = list(named_recipes())
    if draft.recipe is None:
        draft.begin(FIRST, open_recipe(FIRST))
    index = names.index(draft.name) if draft.name in names else 0
    picked = st.selectbox("Recipe", names, index=index, key=draft.lasting("recipe"), width=480)
    if picked != draft.name:
        draft.begin(picked, open_recipe(picked))
    assert draft.recipe is not None
    st.markdown(plain(draft.recipe.summary))
    st.caption(plain(draft.recipe.source))


def ask_beginning(draft: Draft, outlines: bool) -> None:
    """Where the first weights come from; the answer becomes the recipe's `init`."""
    assert draft.recipe is not None
    init = draft.values.get("init", draft.recipe.init)
    kinds = list(BEGINNINGS)
    kind = st.radio(
        "First weights",
        kinds,
        index=kinds.index(draft.beginning or _kind(init)),
        format_func=BEGINNINGS.__getitem__,
        horizontal=True,
        key=draft.widget("first-weights"),
        help="ImageNet's come from timm's hub, where that can be reached. An installed model is trained further.",
    )
    draft.beginning = kind
    draft.values["init"] = (
        kind if kind in (SCRATCH, IMAGENET) else _ask_which(draft, kind, init, outlines)
    )


def _ask_which(draft: Draft, kind: str, init: str, outlines: bool) -> str:
    if kind == FILE:
        text = st.text_input(
            "A safetensors file on this computer, in timm's naming",
            value="" if init in BEGINNINGS or _kind(init) == MODEL else init,
            key=draft.widget("weights-file"),
            placeholder="/models/mobilenetv2_100.safetensors",
        )
        return str(Path(text.strip()).expanduser()) if text.strip() else ""
    names = _models(outlines)
    if not names:
        st.caption("No model of this kind is installed.")
        return ""
    index = names.index(init) if init in names else 0
    return st.selectbox("Model", names, index=index, key=draft.widget("installed-model"), width=480)


def _models(outlines: bool) -> list[str]:
    segmenter = installed_segmenter()
    found = [segmenter] if outlines and segmenter else [] if outlines else installed()
    return [folder.parent.name for folder in found]


def _kind(init: str) -> str:
    if init in (SCRATCH, IMAGENET):
        return init
    return MODEL if init in _models(False) + _models(True) else FILE


def _by_name(data: Sequence[str], datasets: Sequence[Dataset]) -> list[str]:
    """Datasets by name where they are registered, as a run may tell the folder of one."""
    names = {str(folder): dataset.name for dataset in datasets for folder in dataset.folders}
    return list(dict.fromkeys(names.get(each, each) for each in data))


def _show_verdict(dataset: Dataset) -> None:
    try:
        issues, blocking = dataset.issues(), dataset.blocking()
    except SilhouetteError as error:
        st.error(plain(str(error)))
        return
    warnings = sum(issue.severity == "warning" for issue in issues)
    if blocking:
        some = "1 blocking finding" if len(blocking) == 1 else f"{len(blocking)} blocking findings"
        words = f":red-badge[:material/block: stopped by {some}]"
    else:
        words = ":green-badge[:material/check: may be trained on]"
    told = (
        f" :orange-badge[{warnings} {'warning' if warnings == 1 else 'warnings'}, to be read first]"
        if warnings
        else ""
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{plain(dataset.name)}: {words}{told}", width="content")
        st.page_link(
            "pages/data.py",
            label="What the doctor found",
            icon=":material/arrow_forward:",
            query_params={"dataset": dataset.name},
        )

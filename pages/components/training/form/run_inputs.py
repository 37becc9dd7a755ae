"""Asks for a run's inputs: datasets and the initial weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import streamlit as st

from cxr_core.data.label_layers import LabelLayer, list_layers
from cxr_core.data.registry import Dataset, list_datasets
from cxr_core.data.subsets import Subset, is_subset, list_subsets, load_subset
from cxr_core.errors import DataError, FileRefused
from cxr_core.models.registry.registry import find_segmenter, list_classifiers
from cxr_core.presentation.wording import format_count
from cxr_core.workspace.outside_files import parse_path
from pages.components import cache
from pages.components.error_boundary import show_errors
from pages.components.markdown import plain
from pages.components.training.page_state import RunDraft

if TYPE_CHECKING:
    from cxr_core.training.recipe.recipe import Recipe

SCRATCH, IMAGENET, FILE, MODEL = "scratch", "imagenet", "file", "model"
WEIGHTS_SOURCES = {
    SCRATCH: "Random",
    IMAGENET: "ImageNet",
    MODEL: "An installed model",
    FILE: "A file",
}


def ask_data(draft: RunDraft, datasets: Sequence[Dataset]) -> None:
    """Ask for registered datasets and subsets, and show whether each dataset may be trained on."""
    names = [dataset.name for dataset in datasets]
    registered = frozenset(names)
    if draft.data is None:
        draft.data = tuple(names[:1])
    subsets = {subset.reference: subset for subset in list_subsets()}
    layers = {layer.reference: layer for layer in list_layers()}
    names += [name for name, each in subsets.items() if each.record.dataset in registered]
    names += [name for name, each in layers.items() if each.record.dataset in registered]
    default = _dataset_names(draft.data, datasets)
    chosen = st.multiselect(
        "Datasets",
        list(dict.fromkeys([*names, *default])),
        default=default,
        format_func=lambda name: _describe_data(name, subsets, layers),
        key=draft.persistent_key("data"),
        placeholder="Choose at least one",
        help="Datasets and subsets of the Data page, and label layers of the Review page. Several datasets are read, "
        "checked and split as one; of a dataset and a subset, the films in both are used; a label layer puts what "
        "readers decided in the place of the labels.",
    )
    draft.data = tuple(chosen)
    with show_errors():
        for dataset in _chosen_datasets(draft.data):
            _show_checks_result(dataset)


def find_data_faults(draft: RunDraft, recipe: Recipe | None) -> list[str]:
    """Why a run cannot train on the chosen data; empty when it can."""
    if not draft.data:
        return ["No dataset is chosen."]
    try:
        chosen = _chosen_datasets(draft.data)
    except DataError as error:  # of a subset that is gone
        return [str(error)]
    faults = [
        f"{dataset.name} has a blocking issue without a decision."
        for dataset in chosen
        if dataset.open_blocking_issues()
    ]
    if recipe is not None and chosen:
        problem = cache.find_data_problem(recipe, draft.data)
        faults += [problem] if problem else []
    return faults


def ask_initial_weights(draft: RunDraft, segments: bool) -> None:
    """Ask where the initial weights come from; the answer becomes the recipe's `init`.

    segments: whether the recipe trains a segmentation model.
    """
    assert draft.recipe is not None
    init = str(draft.values.get("init", draft.recipe.init))
    sources = list(WEIGHTS_SOURCES)
    source = st.radio(
        "Initial weights",
        sources,
        index=sources.index(draft.weights_source or _source_of(init)),
        format_func=WEIGHTS_SOURCES.__getitem__,
        horizontal=True,
        key=draft.widget_key("initial-weights"),
        help="ImageNet weights come from timm's hub, if it can be reached. An installed model is trained further.",
    )
    draft.weights_source = source
    if source == FILE:
        draft.values["init"] = _ask_weights_file(draft, init)
    elif source == MODEL:
        draft.values["init"] = _ask_initial_model(draft, init, segments)
    else:
        draft.values["init"] = source


def _chosen_datasets(data: Sequence[str]) -> list[Dataset]:
    """The registered datasets among the chosen data, and those of subsets. Raises DataError for a lost subset."""
    registered = {dataset.name: dataset for dataset in list_datasets()}
    names = [load_subset(name).record.dataset if is_subset(name) else name for name in data]
    return [registered[name] for name in dict.fromkeys(names) if name in registered]


def _describe_data(
    name: str, subsets: Mapping[str, Subset], layers: Mapping[str, LabelLayer]
) -> str:
    if name in subsets:
        return _describe_subset(subsets[name])
    if name in layers:
        layer = layers[name]
        decided = format_count(len(layer.record.decisions), "labels")
        return f"{layer.name} (readers' labels of {layer.record.dataset}, {decided})"
    return name


def _describe_subset(subset: Subset) -> str:
    films = format_count(len(subset.record.films), "films")
    return f"{subset.name} (subset of {subset.record.dataset}, {films})"


def _ask_weights_file(draft: RunDraft, init: str) -> str:
    text = st.text_input(
        "A safetensors file on this computer, with timm's names",
        value=init if _source_of(init) == FILE and init != FILE else "",
        key=draft.widget_key("weights-file"),
        placeholder="/models/mobilenetv2_100.safetensors",
    )
    if not text.strip():
        return ""
    try:
        return str(parse_path(text.strip()))
    except FileRefused as refusal:
        st.error(plain(str(refusal)))
        return ""


def _ask_initial_model(draft: RunDraft, init: str, segments: bool) -> str:
    names = _installed_names(segments)
    if not names:
        st.caption("No model of this kind is installed.")
        return ""
    index = names.index(init) if init in names else 0
    return st.selectbox(
        "Model", names, index=index, key=draft.widget_key("installed-model"), width=480
    )


def _installed_names(segments: bool) -> list[str]:
    if not segments:
        return [folder.parent.name for folder in list_classifiers()]
    segmenter = find_segmenter()
    return [segmenter.parent.name] if segmenter else []


def _source_of(init: str) -> str:
    """Which kind of initial weights a recipe's `init` names."""
    if init in (SCRATCH, IMAGENET):
        return init
    return MODEL if init in _installed_names(False) + _installed_names(True) else FILE


def _dataset_names(data: Sequence[str], datasets: Sequence[Dataset]) -> list[str]:
    """Datasets by name where they are registered; a run may record a dataset's folder instead."""
    names = {str(folder): dataset.name for dataset in datasets for folder in dataset.folders}
    return list(dict.fromkeys(names.get(entry, entry) for entry in data))


def _show_checks_result(dataset: Dataset) -> None:
    issues, blocking = dataset.load_issues(), dataset.open_blocking_issues()
    badges = ":green-badge[:material/check: ready for training]"
    if blocking:
        count = format_count(len(blocking), "issues")
        badges = f":red-badge[:material/block: blocked by {count}]"
    warnings = sum(issue.severity == "warning" for issue in issues)
    if warnings:
        badges += f" :orange-badge[{format_count(warnings, 'warnings')} to read first]"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{plain(dataset.name)}: {badges}", width="content")
        st.page_link(
            "pages/data.py",
            label="What the checks found",
            icon=":material/arrow_forward:",
            query_params={"dataset": dataset.name},
        )

"""Asks what the form starts: one run, several seeds, a grid, folds or a search. Queues them and shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import streamlit as st

from cxr_core.errors import SilhouetteError
from cxr_core.presentation.wording import format_count, format_duration
from pages.components.error_boundary import show_errors
from pages.components.training.estimate import find_estimate
from pages.components.training.form.fields import format_fault
from pages.components.training.form.search_form import ask_search
from pages.components.training.form.split_choice import saved_splits
from pages.components.training.page_state import RunDraft, TrainPageState

if TYPE_CHECKING:
    from cxr_core.jobs.job import TrainingRequest
    from cxr_core.training.recipe.recipe import Recipe

ONE, SEEDS, GRID, FOLDS = "One run", "Several seeds", "A grid", "Cross-validation"
SEARCH = "A search"
KINDS = (ONE, SEEDS, GRID, FOLDS, SEARCH)
NEW_FOLDS = "New folds"
FIELD_PX = 300
EXPLANATIONS = {
    SEEDS: "The same recipe on the same split, with other random numbers: how far apart do the results lie?",
    GRID: "A run for every combination of the values. Compare them in the table of runs.",
    FOLDS: "Each film is predicted once, by a model that saw no film of its patient; the predictions of all folds are "
    "evaluated together. An official test split and the promotion holdout are left alone.",
    SEARCH: "Trials with settings that are chosen by what earlier ones reached; poor ones end early. They are compared "
    "on validation films, never on test films, and a part of those is set aside to tell how much too good the best "
    "one looks.",
}


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Several runs to be started. recipes: by the names of their runs; of a cross-validation, none yet.

    folds: how many to make, or 0 where `split` names saved ones.  averages: whether a mean of the models follows.
    space: of a search, as TOML.  splits: of a search, on how many validation splits each trial is trained.
    """

    kind: str
    group: str
    count: int
    recipes: Mapping[str, Recipe]
    averages: bool = False
    folds: int = 0
    split: str = ""
    space: str = ""
    splits: int = 1


def ask_sweep(
    draft: RunDraft, request: TrainingRequest | None
) -> tuple[str, Sweep | None, list[str]]:
    """What is to be started. Returns its kind, the sweep unless it is one run, and what is wrong with it."""
    kind = st.segmented_control(
        "What to start", KINDS, default=ONE, required=True, key=draft.persistent_key("sweep")
    )
    if kind in (None, ONE):
        return ONE, None, []
    st.caption(EXPLANATIONS[kind])
    if request is None:
        return kind, None, []
    try:
        ask = {SEEDS: _ask_seeds, GRID: _ask_grid, FOLDS: _ask_folds, SEARCH: _ask_search}[kind]
        sweep = ask(draft, request.recipe)
    except SilhouetteError as error:
        st.markdown(format_fault(str(error)))
        return kind, None, [str(error)]
    st.markdown(_describe_size(draft, request, sweep))
    return kind, sweep, []


def start_sweep(state: TrainPageState, request: TrainingRequest, sweep: Sweep) -> None:
    """Queue all runs of a sweep, or a search, and show them."""
    if sweep.kind == SEARCH:
        _start_search(state, request, sweep)
        return
    with show_errors():
        with st.spinner("Starting …"):
            start = _start_cross_validation if sweep.kind == FOLDS else _start_runs
            runs = start(request, sweep)
        state.show_submitted_runs(
            tuple(runs), f"Submitted: {format_count(sweep.count, 'runs')} of {sweep.group}."
        )
        st.rerun()


def _ask_search(draft: RunDraft, recipe: Recipe) -> Sweep:
    name, trials, splits, space = ask_search(draft, recipe)
    return Sweep(kind=SEARCH, group=name, count=trials, recipes={}, space=space, splits=splits)


def _start_search(state: TrainPageState, request: TrainingRequest, search: Sweep) -> None:
    from cxr_core.jobs.sweeps import submit_search
    from cxr_core.scale.search.search_folder import search_path

    with show_errors():
        search_path(search.group)
        submit_search(request, search.space, search.count, search.splits, search.group)
        state.show_submitted_runs((), f"The search {search.group} was submitted.")
        st.rerun()


def _ask_seeds(draft: RunDraft, recipe: Recipe) -> Sweep:
    from cxr_core.jobs.sweeps import plan_seeds

    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        text = st.text_input(
            "Seeds", "0, 1, 2", key=draft.persistent_key("sweep-seeds"), width=FIELD_PX
        )
        averages = st.checkbox(
            "Average their models at the end",
            value=_can_be_averaged(recipe),
            disabled=not _can_be_averaged(recipe),
            key=draft.widget_key("sweep-average"),
            help="One more model: the mean of the logits, calibrated anew. It needs a recipe with a linear head.",
        )
    recipes = plan_seeds(recipe, _parse_seeds(text))
    return Sweep(
        kind=SEEDS,
        group=f"{recipe.name} seeds",
        count=len(recipes),
        recipes=recipes,
        averages=averages and _can_be_averaged(recipe),
    )


def _ask_grid(draft: RunDraft, recipe: Recipe) -> Sweep:
    from cxr_core.jobs.sweeps import plan_grid
    from cxr_core.training.recipe.form import form_specs, read_value

    specs = {
        name: spec
        for name, spec in form_specs().items()
        if spec.kind in ("whole", "number", "choice", "switch", "text") and name != "name"
    }
    chosen = st.multiselect(
        "Fields to vary",
        list(specs),
        default=["learning_rate"],
        format_func=lambda name: specs[name].setting.label,
        key=draft.persistent_key("sweep-fields"),
        max_selections=4,
    )
    values: dict[str, Sequence[str]] = {}
    with st.container(horizontal=True, gap="small"):
        for name in chosen:
            spec = specs[name]
            text = st.text_input(
                f"{spec.setting.label}: values",
                f"{_to_text(read_value(recipe, name))}, ",
                key=draft.widget_key(f"sweep-values-{name}"),
                width=FIELD_PX,
                help=f"Values separated by commas. {spec.setting.help}"
                + (f" One of {', '.join(spec.choices)}." if spec.kind == "choice" else ""),
            )
            values[name] = [part.strip() for part in text.split(",") if part.strip()]
    recipes = plan_grid(recipe, values)
    return Sweep(kind=GRID, group=f"{recipe.name} grid", count=len(recipes), recipes=recipes)


def _ask_folds(draft: RunDraft, recipe: Recipe) -> Sweep:
    from cxr_core.errors import RecipeError
    from cxr_core.jobs.sweeps import free_name

    if recipe.structures:
        raise RecipeError(
            f"{recipe.name} segments; cross-validation pools the probabilities of findings"
        )
    saved = {name: record for name, record in saved_splits(draft).items() if record.folds}
    split, folds = NEW_FOLDS, 5
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        if saved:
            split = st.selectbox(
                "Folds of",
                [NEW_FOLDS, *saved],
                key=draft.persistent_key("sweep-split"),
                width=FIELD_PX,
                help="Folds that were saved on the Data page, or new ones.",
            )
        if split == NEW_FOLDS:
            folds = int(
                st.number_input(
                    "Folds", 2, 100, 5, key=draft.persistent_key("sweep-folds"), width=150
                )
            )
    if split in saved:
        folds = saved[split].folds
    stem = f"{recipe.name}-{folds}-folds" if split == NEW_FOLDS else f"{recipe.name}-{split}"
    return Sweep(
        kind=FOLDS,
        group=free_name(stem),
        count=folds,
        recipes={},
        folds=folds if split == NEW_FOLDS else 0,
        split="" if split == NEW_FOLDS else split,
    )


def _start_runs(request: TrainingRequest, sweep: Sweep) -> list[str]:
    from cxr_core.jobs.sweeps import submit_average, submit_runs

    jobs = submit_runs(request, sweep.recipes, sweep.group)
    if sweep.averages:
        first = next(iter(sweep.recipes.values()))
        follow = replace(request, recipe=first, token=f"{request.token}-mean")
        submit_average(follow, [job.folder for job in jobs], sweep.group)
    return [job.id for job in jobs]


def _start_cross_validation(request: TrainingRequest, sweep: Sweep) -> list[str]:
    """Check that each fold can be trained, then queue all. Raises DataError before anything starts."""
    from cxr_core.data.prepare import open_registered
    from cxr_core.jobs.sweeps import submit_cross_validation
    from cxr_core.training.sweeps.cross_validation import begin_cross_validation

    cross_validation = begin_cross_validation(
        request.recipe,
        request.data,
        open_registered(request.data),
        name=sweep.group,
        folds=sweep.folds,
        split=sweep.split,
    )
    submit_cross_validation(cross_validation, request.device, request.processes)
    return [run.name for run in cross_validation.runs]


def _describe_size(draft: RunDraft, request: TrainingRequest, sweep: Sweep) -> str:
    """How many runs, and how long they take where one was estimated."""
    runs = "trials at most" if sweep.kind == SEARCH else "runs"
    words = f"**{sweep.count:,} {runs}**, one after the other"
    if sweep.splits > 1:
        words = f"**{sweep.count:,} {runs}**, {sweep.splits} runs each, one after the other"
    estimate = find_estimate(draft, request)
    if estimate is not None and estimate.duration_s is not None:
        return f"{words}: about {format_duration(sweep.count * sweep.splits * estimate.duration_s)} together."
    return f"{words}. Estimate the time of one below, and the time of all is shown here."


def _can_be_averaged(recipe: Recipe) -> bool:
    from cxr_core.models.networks.ensemble import LINEAR_HEADS

    return not recipe.structures and recipe.head in LINEAR_HEADS


def _parse_seeds(text: str) -> list[int]:
    from cxr_core.errors import RecipeError

    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise RecipeError(
            f"expected whole numbers with commas, such as 0, 1, 2; found {text!r:.60}"
        ) from None


def _to_text(value: object) -> str:
    """A field's value as it is written after `--set`."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)

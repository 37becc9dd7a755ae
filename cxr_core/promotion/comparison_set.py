"""Chooses the films on which the model of a run is measured, and compared with each model in use.

They are the promotion holdout where neither was trained on it, else the data's own test split, whose uses are counted,
or the test split that the run itself made of data without one, else none. Which it is depends on cards and labels,
never on a figure. Films of patients or views that a model was not made for are left out and counted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cxr_core.data.label_layers import describe_label_sources
from cxr_core.data.manifest import Manifest
from cxr_core.data.prepare import StageProgress, open_data
from cxr_core.data.splits.holdout import HOLDOUT
from cxr_core.errors import DataError, RunError, SplitMissing
from cxr_core.evaluation.population import find_reasons_outside, join_reasons
from cxr_core.evaluation.store.provenance import count_test_uses
from cxr_core.models.card_file import AnyCard
from cxr_core.presentation.wording import format_count
from cxr_core.site.learnt_films import LearntFilms, read_learnt_films
from cxr_core.training.exclusions import left_test_films_alone
from cxr_core.training.run_data import films_of_split
from cxr_core.training.runs.manifest import Exclusions, split_kinds
from cxr_core.training.runs.run_folder import RunFolder

TEST = "test"
WITHOUT_FILMS = ("scratch", "imagenet")  # initial weights that have learnt no chest film


@dataclass(frozen=True, kw_only=True, eq=False)
class FilmChoice:
    """The films for one comparison, or why there are none.

    split: gate (the promotion holdout) or test; empty when there are no films.  description: which films they are, why,
    and how many were left out.  rows: (N,) bool, which of the candidate's films of that split they are.
    """

    manifest: Manifest | None = None
    split: str = ""
    description: str
    rows: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparisonSet:
    """The films for a verdict.

    own: on which the candidate is measured alone.  shared: on which it is compared with each incumbent, in their order.
    candidate_films: all films of each split that the candidate may read.  test: the whole official test split, whose
    uses are counted.
    """

    own: FilmChoice
    shared: tuple[FilmChoice, ...] = ()
    candidate_films: Mapping[str, Manifest] = field(default_factory=dict)
    test: Manifest | None = None
    names: tuple[str, ...] = ()  # of the incumbents

    @property
    def split(self) -> str:
        """The split of the first comparison, or that on which the candidate is measured alone."""
        return self.shared[0].split if self.shared else self.own.split

    @property
    def description(self) -> str:
        """Which films these are, for each comparison."""
        if len(self.shared) == 1:
            return self.shared[0].description
        if not self.shared:
            return self.own.description
        return " ".join(
            f"Compared with {name}: {choice.description}"
            for name, choice in zip(self.names, self.shared, strict=True)
        )


@dataclass(frozen=True)
class Films:
    """One of the choices for a comparison set: its films, or why they cannot be used. left_out: a sentence."""

    manifest: Manifest | None
    reason: str = ""
    left_out: str = ""


def choose_comparison_set(
    run: RunFolder,
    candidate: AnyCard,
    incumbents: Sequence[AnyCard],
    learnt: Sequence[LearntFilms],
    progress: StageProgress,
) -> ComparisonSet:
    """The films on which the model of a run may be measured, and compared with each model in use.

    learnt: the films that each of the models in use was trained on, in their order.
    """
    folders = run.load_manifest().folders
    if not folders:
        return _find_nothing(
            f"{run.path} does not say where its films are, so there are none to compare on.",
            incumbents,
        )
    try:
        dataset = open_data(folders, progress)
    except DataError as error:
        return _find_nothing(f"The films of the run cannot be opened: {error}", incumbents)
    exclusions = Exclusions.from_training(candidate.training)
    holdout = _find_holdout(run, dataset, exclusions)
    test = _find_test_films(run, dataset, exclusions)
    all_test = test.manifest
    holdout, test = _keep_population(holdout, candidate), _keep_population(test, candidate)
    splits = {HOLDOUT: holdout.manifest, TEST: test.manifest}
    shared = []
    for incumbent, own in zip(incumbents, learnt, strict=True):
        unseen = _exclude_films_of(incumbent, own, run, dataset, holdout, test)
        shared.append(_choose_films(*unseen, all_test, [candidate, incumbent]))
    return ComparisonSet(
        own=_choose_films(holdout, test, all_test, [candidate]),
        shared=tuple(shared),
        candidate_films={
            split: manifest for split, manifest in splits.items() if manifest is not None
        },
        test=all_test,
        names=tuple(f"{card.model} {card.version}" for card in incumbents),
    )


def _find_nothing(description: str, incumbents: Sequence[AnyCard]) -> ComparisonSet:
    none = FilmChoice(description=description)
    return ComparisonSet(
        own=none,
        shared=(none,) * len(incumbents),
        names=tuple(f"{card.model} {card.version}" for card in incumbents),
    )


def _keep_population(films: Films, card: AnyCard) -> Films:
    """The films of patients and views that a model was made for."""
    if films.manifest is None:
        return films
    reasons = find_reasons_outside(films.manifest, card.population)
    outside = reasons != ""
    if outside.all():
        return Films(None, f"{card.model} {card.version} was made for none of these patients")
    kept = films.manifest.with_table(films.manifest.table[~outside])
    return Films(kept, left_out=_describe_left_out(card, reasons[outside]))


def _choose_films(
    holdout: Films, test: Films, all_test: Manifest | None, cards: Sequence[AnyCard]
) -> FilmChoice:
    """The holdout where it can be used, else the test films; both are of the first card's population already."""
    chosen, split = (holdout, HOLDOUT) if holdout.manifest is not None else (test, TEST)
    if chosen.manifest is None:
        return FilmChoice(
            description=f"There are no films that were never trained on: {holdout.reason}; {test.reason}."
        )
    reasons = find_reasons_outside(chosen.manifest, cards[-1].population)
    rows = reasons == ""
    left_out = _describe_left_out(cards[-1], reasons[~rows])
    if not rows.any():
        return FilmChoice(
            description=f"There are no films of patients for whom both models were made. {left_out}"
        )
    manifest = chosen.manifest.with_table(chosen.manifest.table[rows])
    learners = "the model was not" if len(cards) == 1 else "neither model was"
    description = _describe_films(manifest, split, holdout.reason, all_test, learners)
    sentences = (description, describe_label_sources(manifest), chosen.left_out, left_out)
    return FilmChoice(
        manifest=manifest, split=split, description=" ".join(filter(None, sentences)), rows=rows
    )


def _describe_left_out(card: AnyCard, reasons: np.ndarray) -> str:
    """How many films were left out, and why; empty when none was."""
    if not len(reasons):
        return ""
    return (
        f"Left out are {format_count(len(reasons), 'films')} outside the intended population of {card.model} "
        f"{card.version}: {join_reasons(Counter(reasons.tolist()))}."
    )


def _find_holdout(run: RunFolder, dataset: Manifest, exclusions: Exclusions) -> Films:
    """The promotion holdout of a run."""
    share = run.load_recipe().gate_share
    if not share:
        return Films(None, "the run kept no promotion holdout (gate_share = 0)")
    try:
        films = films_of_split(run, dataset, HOLDOUT)
    except SplitMissing:
        return Films(None, "the data is too small for a promotion holdout: not enough cases")
    except (RunError, DataError) as error:
        return Films(None, str(error))
    if not exclusions.covers_holdout(share, split_kinds(dataset.kind)):
        return Films(
            None,
            "the model that the run started from was trained on films of the holdout, or its card cannot exclude it",
        )
    return Films(films)


def _find_test_films(run: RunFolder, dataset: Manifest, exclusions: Exclusions) -> Films:
    """The official test split of the data, where a run has left it alone, or the run's own of data without one."""
    if not exclusions.official_test and not _made_own_split(run):
        return Films(
            None,
            "the run's card does not say that it, and what it started from, left an official test split alone",
        )
    try:
        films = films_of_split(run, dataset, TEST)
    except DataError as error:
        return Films(None, str(error))
    if read_learnt_films(run.model).include_some_of(films.table["sha256"]):
        return Films(
            None, "the model was trained on films that are in the test split of its data now"
        )
    return Films(films)


def _exclude_films_of(
    incumbent: AnyCard,
    learnt: LearntFilms,
    run: RunFolder,
    dataset: Manifest,
    holdout: Films,
    test: Films,
) -> tuple[Films, Films]:
    """Both choices without those that the active version may have been trained on. learnt: its films."""
    exclusions = Exclusions.from_training(incumbent.training)
    name, share = f"{incumbent.model} {incumbent.version}", run.load_recipe().gate_share
    covers = exclusions.covers_holdout(share, split_kinds(dataset.kind))
    if holdout.manifest is not None and not covers:
        holdout = Films(
            None, f"{name} was trained on films of the holdout, or its card cannot exclude it"
        )
    if test.manifest is None:
        return holdout, test
    split = "official test split"
    if _made_own_split(run):
        left_alone, split = _has_split_of(run, incumbent), "run's test split"
    else:
        left_alone = left_test_films_alone(
            exclusions, learnt, test.manifest.kind, test.manifest.table["sha256"]
        )
    if not left_alone:
        test = Films(
            None,
            f"the card of {name} does not rule out that it was trained on the {split}",
        )
    return holdout, test


def _made_own_split(run: RunFolder) -> bool:
    """Whether a run's test split is its own, by ratios or saved, and it began from random or ImageNet's weights.

    No film of it was learnt then. A fold of a cross-validation is no such split.
    """
    recipe = run.load_recipe()
    fold = recipe.saved_split[1] if recipe.saved_split else recipe.fold
    is_official = recipe.split == "given" or run.load_manifest().exclusions.official_test
    return not is_official and fold is None and recipe.init in WITHOUT_FILMS


def _has_split_of(run: RunFolder, incumbent: AnyCard) -> bool:
    """Whether a model was trained and validated on the same films as a run, and so on none of the run's test films.

    It must have begun from random or ImageNet's weights: another model may have learnt those films.
    """
    learnt = run.load_manifest().data
    data = incumbent.training.get("data")
    return (
        isinstance(data, dict)
        and incumbent.training.get("init") in WITHOUT_FILMS
        and bool(learnt.split_sha256)
        and (
            data.get("split_sha256") == learnt.split_sha256
            and data.get("data_sha256") == learnt.data_sha256
        )
    )


def _describe_films(
    films: Manifest, split: str, no_holdout: str, all_test: Manifest | None, learners: str
) -> str:
    patients = films.table["patient"].nunique()
    counts = f"{format_count(len(films.table), 'films')} of {format_count(patients, 'patients')}"
    if split == HOLDOUT:
        return f"{counts}, the promotion holdout: {learners} trained or tuned on them."
    uses = count_test_uses((all_test or films).data_sha256())
    return (
        f"{counts}, the test split, since {no_holdout}. Used before for "
        f"{format_count(uses.evaluations, 'evaluations')} of {format_count(uses.models, 'models')}. "
        "Each choice made on these films makes their figures a little too good."
    )

"""Chooses the films on which the model of a run is measured, and compared with the active version.

They are the promotion holdout where neither was trained on it, else the data's own test split, whose uses are counted,
else none. Which it is depends on cards and labels, never on a figure.
"""

from dataclasses import dataclass

from cxr_core.data.manifest import Manifest
from cxr_core.data.prepare import StageProgress, open_data
from cxr_core.data.splits.holdout import HOLDOUT
from cxr_core.errors import DataError, RunError, SplitMissing
from cxr_core.evaluation.store.provenance import count_test_uses
from cxr_core.models.card_file import AnyCard
from cxr_core.presentation.wording import format_count
from cxr_core.training.run_data import films_of_split
from cxr_core.training.runs.manifest import Exclusions, split_kinds
from cxr_core.training.runs.run_folder import RunFolder

TEST = "test"


@dataclass(frozen=True, kw_only=True)
class ComparisonSet:
    """The films for a verdict; None where there are none.

    own: on which the candidate is measured alone.  shared: on which both models are compared.  split: of the latter.
    description: which films they are and why.  test: the official test split, whose uses are counted.
    """

    own: Manifest | None = None
    shared: Manifest | None = None
    split: str = ""
    description: str
    test: Manifest | None = None


@dataclass(frozen=True)
class Films:
    """One of the choices for a comparison set: its films, or why they cannot be used."""

    manifest: Manifest | None
    reason: str = ""


def choose_comparison_set(
    run: RunFolder, candidate: AnyCard, incumbent: AnyCard | None, progress: StageProgress
) -> ComparisonSet:
    """The films on which the model of a run may be measured, and compared with the active version."""
    folders = run.load_manifest().folders
    if not folders:
        return ComparisonSet(
            description=f"{run.path} does not say where its films are, so there are none to compare on."
        )
    try:
        dataset = open_data(folders, progress)
    except DataError as error:
        return ComparisonSet(description=f"The films of the run cannot be opened: {error}")
    exclusions = Exclusions.from_training(candidate.training)
    holdout = _find_holdout(run, dataset, exclusions)
    test = _find_test_films(run, dataset, exclusions)
    own = test.manifest if holdout.manifest is None else holdout.manifest
    all_test = test.manifest
    if incumbent is not None:
        holdout, test = _exclude_films_of(incumbent, run, dataset, holdout, test)
    shared, split = None, ""
    if holdout.manifest is not None:
        shared, split = holdout.manifest, HOLDOUT
    elif test.manifest is not None:
        shared, split = test.manifest, TEST
    return ComparisonSet(
        own=own,
        shared=shared,
        split=split,
        description=_describe_films(shared, split, holdout.reason, test.reason),
        test=all_test,
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
    """The official test split of the data, where a run has left it alone."""
    if not exclusions.official_test:
        return Films(
            None,
            "the run's card does not say that it, and what it started from, left an official test split alone",
        )
    try:
        return Films(films_of_split(run, dataset, TEST))
    except DataError as error:
        return Films(None, str(error))


def _exclude_films_of(
    incumbent: AnyCard, run: RunFolder, dataset: Manifest, holdout: Films, test: Films
) -> tuple[Films, Films]:
    """Both choices without those that the active version may have been trained on."""
    exclusions = Exclusions.from_training(incumbent.training)
    name, share = f"{incumbent.model} {incumbent.version}", run.load_recipe().gate_share
    covers = exclusions.covers_holdout(share, split_kinds(dataset.kind))
    if holdout.manifest is not None and not covers:
        holdout = Films(
            None, f"{name} was trained on films of the holdout, or its card cannot exclude it"
        )
    if test.manifest is not None and not exclusions.official_test:
        test = Films(
            None,
            f"the card of {name} does not rule out that it was trained on the official test split",
        )
    return holdout, test


def _describe_films(films: Manifest | None, split: str, no_holdout: str, no_test: str) -> str:
    if films is None:
        return f"There are no films that were never trained on: {no_holdout}; {no_test}."
    patients = films.table["patient"].nunique()
    counts = f"{format_count(len(films.table), 'films')} of {format_count(patients, 'patients')}"
    if split == HOLDOUT:
        return f"{counts}, the promotion holdout: neither model was trained or tuned on them."
    uses = count_test_uses(films.data_sha256())
    return (
        f"{counts}, the data's own test split, since {no_holdout}. Used before for "
        f"{format_count(uses.evaluations, 'evaluations')} of {format_count(uses.models, 'different models')}. "
        "Each choice made on these films makes their figures a little too good."
    )

"""A search of real films: on which of them its trials are trained and compared, and which ones none of them sees."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxr_core.data.splits.saved_split import SavedSplit, find_saved_split
from cxr_core.errors import ScaleError
from cxr_core.evaluation.store.provenance import read_training_hashes
from cxr_core.scale.search.results import SearchResults
from cxr_core.scale.search.search import SearchPlan, begin_search, close_search
from cxr_core.scale.search.search_folder import SearchFolder
from cxr_core.scale.search.space import parse_space_text
from cxr_core.scale.search.study import OptunaStudy
from cxr_core.scale.search.trials import read_figure, work_on_trials
from tests.lit_films import lit_films
from tests.scale.search.bench import options
from tests.training.sweeps.test_seeds import TINY

pytest.importorskip("optuna", reason="needs the extra `cluster`")
pytestmark = pytest.mark.training

# A fifth of the films is a promotion holdout, which is large enough to be kept apart.
RECIPE = replace(TINY, gate_share=0.2)
SPACE = parse_space_text("[dropout]\nlow = 0.0\nhigh = 0.5\n", RECIPE)


def ignore(*_: object) -> None:
    pass


@pytest.fixture
def begin(workspace: Path, tmp_path: Path) -> Callable[..., SearchFolder]:
    """Begin a search of 304 films."""
    data = (str(lit_films(tmp_path / "data", side=40, train=150, test=2)),)

    def begin(**changes: int) -> SearchFolder:
        plan = SearchPlan(recipe=RECIPE, space=SPACE, data=data, name="tiny", **changes)
        return begin_search(plan, ignore)

    return begin


def load_split(search: SearchFolder, name: str) -> SavedSplit:
    return find_saved_split(search.record.data, name)


def run_one_trial(search: SearchFolder) -> SearchResults:
    study = OptunaStudy(search)
    work_on_trials(study, 1, options(), ignore)
    results = close_search(study, ignore)
    assert results.best is not None
    return results


def test_trials_use_no_film_of_the_holdout_and_none_that_is_set_aside(begin):
    search = begin()
    counts = load_split(search, search.record.split).films["split"].value_counts()
    assert set(counts.index) == {"train", "val", "test"}
    assert counts.sum() < 0.8 * 304  # without the holdout and what is set aside
    results = run_one_trial(search)
    assert results.optimism is not None
    (of_trials,) = results.optimism.compared_on.values()
    (set_aside,) = results.optimism.left_aside.values()
    assert of_trials.n == counts["val"]
    assert 0 < set_aside.n < counts["val"]


def test_a_trial_has_the_mean_of_several_splits_which_share_the_films_set_aside(begin):
    search = begin(splits=3)
    splits = [load_split(search, name).films.set_index("sha256") for name in search.record.splits]
    assert len(splits) == 3
    films = set(splits[0].index)
    assert all(set(split.index) == films for split in splits)  # so none has a film set aside
    for split in splits:
        assert (split["split"] == "test").equals(splits[0]["split"].reindex(split.index) == "test")
        assert split.groupby("patient")["split"].nunique().max() == 1
    validation = [set(split.index[split["split"] == "val"]) for split in splits]
    sizes = [len(each) for each in validation]
    assert max(sizes) - min(sizes) <= 2
    assert len(validation[0] & validation[1] & validation[2]) < 0.5 * sizes[0]
    results = run_one_trial(search)
    runs = search.list_runs(0)
    assert [run.folder.name for run in runs] == ["seed-0", "split-2-seed-0", "split-3-seed-0"]
    figures = [read_figure(run.folder, search.record.metric) for run in runs]
    assert results.best is not None
    assert results.best.value == pytest.approx(np.mean(figures))
    learned = [set(read_training_hashes(run.folder) or ()) for run in runs]
    assert (
        learned[0]
        == learned[1]
        == learned[2]
        == films - set(splits[0].index[splits[0]["split"] == "test"])
    )
    with pytest.raises(ScaleError, match="is a search with another --validation-splits"):
        begin(splits=2)

"""A search of real films: on which of them its trials are trained and compared, and which ones none of them sees."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_core.data.splits.saved_split import SavedSplit, find_saved_split
from cxr_core.scale.search.search import SearchPlan, begin_search, close_search
from cxr_core.scale.search.search_folder import SearchFolder
from cxr_core.scale.search.space import parse_space_text
from cxr_core.scale.search.study import OptunaStudy
from cxr_core.scale.search.trials import work_on_trials
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


def test_trials_use_no_film_of_the_holdout_and_none_that_is_set_aside(begin):
    search = begin()
    counts = load_split(search, search.record.split).films["split"].value_counts()
    assert set(counts.index) == {"train", "val", "test"}
    assert counts.sum() < 0.8 * 304  # without the holdout and what is set aside
    study = OptunaStudy(search)
    work_on_trials(study, 1, options(), ignore)
    results = close_search(study, ignore)
    assert results.best is not None
    assert results.optimism is not None
    (of_trials,) = results.optimism.compared_on.values()
    (set_aside,) = results.optimism.left_aside.values()
    assert of_trials.n == counts["val"]
    assert 0 < set_aside.n < counts["val"]

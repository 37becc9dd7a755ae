"""Models are compared on films of patients for whom both were made; the others are counted by reason."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from cxr_core.data.manifest import Manifest, build_table
from cxr_core.models.card import Population
from cxr_core.promotion import comparison_set
from cxr_core.promotion.comparison_set import Films, choose_comparison_set
from cxr_core.site.learnt_films import LearntFilms
from cxr_core.training.runs.manifest import DataDescription, Exclusions
from tests.tiny import tiny_card
from tests.training.test_fit import TINY

UNKNOWN = LearntFilms(is_known=False)
ANYBODY = tiny_card(findings=("pneumonia",))
ADULTS = replace(ANYBODY, model="adults", population=Population(text="adults", age_min=18))
PA = replace(ANYBODY, model="pa", population=Population(text="PA films", views=("PA",)))


def films() -> Manifest:
    """Eight films: two of children, two of unknown age, half of them AP."""
    table = build_table(
        {
            "image": [f"{n}.png" for n in range(8)],
            "patient": [f"p{n}" for n in range(8)],
            "split": "test",
            "source": "a",
            "age": [3.0, 17.9, np.nan, np.nan, 18.0, 40.0, 50.0, 60.0],
            "view": ["PA", "AP"] * 4,
            "sha256": [f"{n}" for n in range(8)],
        }
    )
    return Manifest(table=table, kind="csv", terms=None)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A run whose holdout is these films, which no model was trained on."""
    monkeypatch.setattr(comparison_set, "open_data", lambda *_: films())
    monkeypatch.setattr(comparison_set, "_find_holdout", lambda *_: Films(films()))
    monkeypatch.setattr(comparison_set, "_find_test_films", lambda *_: Films(None, "none"))
    monkeypatch.setattr(comparison_set, "_exclude_films_of", lambda *given: given[4:])
    return SimpleNamespace(load_manifest=lambda: SimpleNamespace(folders=("films",)))


def test_each_comparison_is_on_films_within_both_populations(run: SimpleNamespace) -> None:
    chosen = choose_comparison_set(run, ADULTS, [ANYBODY, PA], [UNKNOWN] * 2, lambda *_: None)
    assert chosen.own.manifest is not None
    assert list(chosen.own.manifest.table["image"].str[0]) == ["2", "3", "4", "5", "6", "7"]
    with_anybody, with_pa = chosen.shared
    assert len(with_anybody.manifest.table) == 6
    assert list(with_pa.manifest.table["image"].str[0]) == ["2", "4", "6"]
    assert list(with_pa.rows) == [True, False] * 3  # of the candidate's films
    assert (
        "Left out are 2 films outside the intended population of adults 1.0.0: in 2 films the patient is younger "
        "than 18." in with_pa.description
    )
    assert (
        "Left out are 3 films outside the intended population of pa 1.0.0: in 3 films the view is AP."
        in with_pa.description
    )
    assert "Compared with tiny 1.0.0: 6 films of 6 patients" in chosen.description
    assert "neither model was trained or tuned on them" in with_pa.description
    assert "the model was not trained or tuned on them" in chosen.own.description


@pytest.mark.parametrize(
    ("split", "official_test", "is_own"),
    [
        ("80:10:10", False, True),
        ("given", True, False),
        ("saved:mine", False, True),
        ("saved:official", True, False),
        ("saved:folds/2", False, False),
    ],
)
def test_a_saved_test_split_is_the_runs_own_unless_it_is_the_datas(
    split: str, official_test: bool, is_own: bool
) -> None:
    """A model of another split may have learnt films of it, whatever its card says of the official test split."""
    left_alone = SimpleNamespace(exclusions=Exclusions(official_test=official_test))
    run = SimpleNamespace(
        load_recipe=lambda: replace(TINY, split=split), load_manifest=lambda: left_alone
    )
    assert comparison_set._made_own_split(run) is is_own


@pytest.mark.parametrize(
    ("init", "same"), [("scratch", True), ("imagenet", True), ("other 1.0.0, sha256 ab", False)]
)
def test_a_model_that_began_from_another_one_may_have_learnt_the_runs_test_films(
    init: str, same: bool
) -> None:
    data = DataDescription(data_sha256="a", split_sha256="b")
    run = SimpleNamespace(load_manifest=lambda: SimpleNamespace(data=data))
    card = replace(ANYBODY, training={"init": init, "data": data.to_json()})
    assert comparison_set._has_split_of(run, card) is same


def test_without_films_for_both_there_is_nothing_to_compare_on(run: SimpleNamespace) -> None:
    infants = replace(ANYBODY, model="infants", population=Population(text="infants", age_max=0))
    chosen = choose_comparison_set(
        run, replace(infants, population=Population(text="x", views=("LATERAL",))), [], [], print
    )
    assert chosen.own.manifest is None
    assert "was made for none of these patients" in chosen.own.description

"""The promotion holdout: chosen by patient alone, the same in every run, kept out of training and tuning."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cxr_core.data.manifest import Manifest, build_table
from cxr_core.data.splits.holdout import HOLDOUT, MIN_CASES, carve_holdout, hash_patient
from cxr_core.site.learnt_films import write_learnt_films
from cxr_core.training.exclusions import build_exclusions
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.run_data import split_manifest
from cxr_core.training.runs.manifest import Exclusions
from tests.tiny import TINY_RECIPE, tiny_card, tiny_model

KEY = "pneumonia"
RECIPE = replace(TINY_RECIPE, findings=(KEY,), gate_share=0.2, validation_share=0.2)


def films(patients: int = 400, **changes) -> Manifest:
    """Two films of each patient, a quarter of them in the official test."""
    number = np.repeat(np.arange(patients), 2)
    columns = {
        "image": [f"/films/{n}.png" for n in range(2 * patients)],
        "patient": [str(n) for n in number],
        "split": np.where(number % 4 == 0, "test", "train"),
        "source": "films",
        "sha256": [f"{n:064d}" for n in range(2 * patients)],
        KEY: (number // 3 % 2).astype(float),
    }
    return Manifest(build_table({**columns, **changes}), "csv", "")


def holdout_patients(manifest: Manifest) -> set[str]:
    return set(manifest.table.loc[manifest.table["split"] == HOLDOUT, "patient"])


def test_no_holdout_patient_is_trained_tuned_or_tested_on():
    table = split_manifest(RECIPE, films()).table
    assert table.groupby("patient")["split"].nunique().max() == 1
    shares = (
        table[table["split"] != "test"]
        .drop_duplicates("patient")["split"]
        .value_counts(normalize=True)
    )
    assert shares[HOLDOUT] == pytest.approx(0.2, abs=0.06)
    assert set(table["split"]) == {"train", "val", "test", HOLDOUT}


def test_holdout_is_the_same_for_every_seed_and_split_and_when_films_are_added():
    expected = holdout_patients(split_manifest(RECIPE, films()))
    assert (
        holdout_patients(split_manifest(replace(RECIPE, seed=7, validation_share=0.4), films()))
        == expected
    )
    assert holdout_patients(split_manifest(RECIPE, films(600))) >= expected
    assert holdout_patients(split_manifest(replace(RECIPE, gate_share=0.3), films())) >= expected
    for split in ("70:15:15", "fold:2/5"):
        other = split_manifest(replace(RECIPE, split=split), films())
        tested = set(other.table.loc[other.table["split"] == "test", "patient"])
        chosen = {patient for patient in other.table["patient"] if hash_patient(patient) < 0.2}
        assert holdout_patients(other) == chosen - tested


def test_prefix_of_a_patient_number_does_not_change_the_holdout():
    assert (
        hash_patient("person12")
        == hash_patient("train/person12")
        == hash_patient("nih14:person12")
        != hash_patient("person13")
    )
    numbers = np.array([hash_patient(str(n)) for n in range(4000)])
    assert [float(np.mean(numbers < share)) for share in (0.1, 0.5, 0.9)] == pytest.approx(
        [0.1, 0.5, 0.9], abs=0.03
    )


def test_patients_who_share_an_image_stay_together():
    inside, outside = (
        next(n for n in range(1, 400) if n % 4 and (hash_patient(str(n)) < 0.2) is chosen)
        for chosen in (True, False)
    )
    table = films().table
    hashes = table["sha256"].copy()
    hashes[2 * outside] = hashes[2 * inside]
    carved = carve_holdout(films(sha256=hashes), (KEY,), 0.2)
    assert {str(inside), str(outside)} <= holdout_patients(carved)


def test_small_data_has_no_holdout():
    assert holdout_patients(split_manifest(RECIPE, films(100))) == set()
    enough = films()
    positives = enough.table[enough.table["split"] == "train"].index[:10]
    few = films(**{KEY: np.isin(np.arange(800), positives).astype(float)})
    assert holdout_patients(carve_holdout(few, (KEY,), 0.5)) == set()
    counts = carve_holdout(enough, (KEY,), 0.2).table.query("split == @HOLDOUT")[KEY].value_counts()
    assert counts.min() >= MIN_CASES


def test_no_share_gives_no_holdout():
    before = films()
    assert carve_holdout(before, (KEY,), 0.0) is before
    pd.testing.assert_frame_equal(
        split_manifest(replace(RECIPE, gate_share=0.0), before).table.query("split == 'test'"),
        split_manifest(RECIPE, before).table.query("split == 'test'"),
    )


def exclusions_after(recipe: Recipe, manifest: Manifest) -> Exclusions:
    """What a model's card says after the run."""
    exclusions = build_exclusions(recipe, split_manifest(recipe, manifest))
    data = {"kind": manifest.kind, "left_aside": exclusions.to_json()}
    return Exclusions.from_training({"data": data})


def test_card_records_exclusions_and_old_cards_have_none():
    exclusions = exclusions_after(RECIPE, films())
    assert exclusions.official_test
    assert exclusions.covers_holdout(0.2, frozenset({"csv"}))
    assert exclusions.covers_holdout(0.1, frozenset({"csv"}))
    assert not exclusions.covers_holdout(0.3, frozenset({"csv"}))
    assert not exclusions.covers_holdout(0.2, frozenset({"nih14"}))
    assert not exclusions_after(replace(RECIPE, split="70:15:15"), films()).official_test
    for none in (
        Exclusions.from_training({}),
        exclusions_after(RECIPE, films(100)),
        exclusions_after(replace(RECIPE, gate_share=0.0), films()),
    ):
        assert not none.covers_holdout(0.1, frozenset({"csv"}))
    assert not Exclusions.from_training({}).official_test


@pytest.mark.parametrize(("initial_share", "share"), [(None, 0.0), (0.1, 0.1), (0.3, 0.2)])
def test_exclusions_of_the_initial_model_are_inherited(initial_share, share, tmp_path):
    record = {
        "official_test": bool(initial_share),
        "kinds": ["csv"],
        "gate": {"rule": "silhouette gate 1", "share": initial_share},
    }
    data = {"kind": "csv", "left_aside": record if initial_share else None}
    folder = tiny_model(tmp_path, replace(tiny_card(findings=(KEY,)), training={"data": data}))
    exclusions = exclusions_after(replace(RECIPE, init=str(folder)), films())
    assert (exclusions.holdout_share, exclusions.official_test) == (share, bool(initial_share))


@pytest.mark.parametrize(
    ("learnt", "kind", "left_alone"),
    [
        ("train", "csv", True),
        ("test", "csv", False),
        (None, "csv", True),
        (None, "nih14", False),
    ],
)
def test_the_test_split_was_left_alone_only_where_the_initial_model_has_learnt_none_of_it(
    learnt, kind, left_alone, tmp_path
):
    """A model without a list of its films promises nothing about data of another layout."""
    data = {"kind": kind, "left_aside": {"official_test": True, "kinds": [kind]}}
    folder = tiny_model(tmp_path, replace(tiny_card(findings=(KEY,)), training={"data": data}))
    own = films(sha256=[f"{n:08x}" * 8 for n in range(800)])
    if learnt:
        write_learnt_films(folder, own.select_split(learnt).table["sha256"])
    exclusions = exclusions_after(replace(RECIPE, init=str(folder)), own)
    assert exclusions.official_test is left_alone

"""A model is measured on the patients whom it is for; films of others are counted, and measured apart on request."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn import metrics as sk

from cxr_core.data.manifest import Manifest, build_table
from cxr_core.errors import DataError
from cxr_core.evaluation.evaluate import is_calibrated_on
from cxr_core.evaluation.metrics.results import EvaluatedData
from cxr_core.evaluation.population import describe_population, select_population
from cxr_core.evaluation.store.provenance import TEST_USES, count_test_uses
from cxr_core.models.card import Population
from cxr_core.workspace.jsonl import read_jsonl
from tests.tiny import tiny_card, tiny_model
from train.evaluate import main

ADULTS = Population(text="adults", age_min=18, views=("PA", "AP"))
AGES = (5, 17.9, 18, 40, 60, 80, np.nan, 30)


DATA = EvaluatedData(films=5, patients=5, data_sha256="", split_sha256="", terms="")


def films(ages: tuple[float, ...] = AGES) -> Manifest:
    count = len(ages)
    table = build_table(
        {
            "image": [f"/films/{number}.png" for number in range(count)],
            "patient": [str(number) for number in range(count)],
            "split": "test",
            "source": "films",
            "age": np.array(ages),
            "view": (["PA", "PA", "PA", None, "AP", "PA", "PA", "LATERAL"] * count)[:count],
            "sha256": [f"{number:064}" for number in range(count)],
        }
    )
    return Manifest(table=table, kind="csv", terms="")


def test_films_outside_are_counted_by_reason_and_unknown_ones_are_inside() -> None:
    selected = select_population(films(), ADULTS)
    assert list(selected.inside.names) == ["2.png", "3.png", "4.png", "5.png", "6.png"]
    assert selected.outside is not None
    assert list(selected.outside.names) == ["0.png", "1.png", "7.png"]
    assert selected.record.outside == {
        "the patient is younger than 18": 2,
        "the view is LATERAL": 1,
    }
    assert selected.record.unknown == {"age": 1, "view": 1}
    for place, age, view in selected.inside.table[["age", "view"]].itertuples():
        known = None if np.isnan(age) else float(age)
        assert ADULTS.excludes(known, view if isinstance(view, str) else None) is None, place
    data = replace(DATA, population=selected.record)
    assert EvaluatedData.from_json(data.to_json()) == data
    assert describe_population(data) == (
        "Intended population: adults. 3 of 8 films lie outside it and are not counted: in 2 films the patient is "
        "younger than 18, in 1 the view is LATERAL. 1 film of unknown age counts as inside. 1 film of unknown view "
        "counts as inside."
    )
    assert "All films of the split were measured" in describe_population(
        replace(data, population=None)
    )


def test_one_film_outside_lies_outside() -> None:
    selected = select_population(films((3, 40)), ADULTS)
    text = describe_population(replace(DATA, population=selected.record))
    assert "1 of 2 films lies outside it and is not counted" in text


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_model_is_known_to_be_calibrated_on_the_validation_films_of_its_own_patients(
    split: str,
) -> None:
    """The hash in a card is of the films that it learnt from: here adults, whatever else the data holds."""
    adults, table = Population(text="adults", age_min=18), films().table
    data = films().with_table(table.assign(split=["train", split] * (len(table) // 2)))
    learnt = data.with_table(data.table[data.table["split"] != "test"])
    record = {"data": {"data_sha256": select_population(learnt, adults).inside.data_sha256()}}
    card = tiny_card(population=adults, training=record)
    assert is_calibrated_on(card, data, split, of_run=False) == (split == "val")
    assert not is_calibrated_on(replace(card, training={}), data, split, of_run=False)


def test_a_model_for_anybody_leaves_nothing_out() -> None:
    selected = select_population(films(), Population(text="anybody"))
    assert selected.outside is None
    assert (selected.record.outside, selected.record.unknown) == ({}, {})
    assert selected.inside.data_sha256() == selected.record.data_sha256


def test_no_film_inside_is_refused_with_the_reason() -> None:
    with pytest.raises(
        DataError, match=r"none of the 2 films .* \(adults\): in 2 films the patient is younger"
    ):
        select_population(films((3, 4)), ADULTS)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 test films, a third of them of children; both classes in each."""
    root, chance = tmp_path_factory.mktemp("mixed"), np.random.default_rng(0)
    lines = ["image,patient,split,age,pneumonia"]
    for number in range(24):
        pixels = chance.integers(0, 255, (80, 80), np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
        lines.append(f"{number}.png,p{number},test,{7 if number % 3 == 0 else 50},{number % 2}")
    (root / "labels.csv").write_text("\n".join(lines))
    return root


@pytest.mark.training
def test_children_are_left_out_of_an_adults_model_and_measured_apart_on_request(
    mixed: Path, tmp_path: Path, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = tiny_card(findings=("pneumonia",), population=Population(text="adults", age_min=18))
    model, out = tiny_model(tmp_path / "models", card), tmp_path / "out"
    assert main([str(model), "--data", str(mixed), "--out", str(out)]) == 0
    assert "8 of 24 films lie outside it" in capsys.readouterr().err
    adults = pd.read_csv(out / "predictions.csv")
    assert (len(adults), adults["age"].min()) == (16, 50)
    found = json.loads((out / "metrics.json").read_text())
    assert found["data"]["films"] == found["findings"]["pneumonia"]["auroc"]["n"] == 16
    assert found["data"]["population"]["outside"] == {"the patient is younger than 18": 8}
    assert "outside_population" not in found
    assert "8 of 24 films lie outside it" in (out / "report.html").read_text()

    options = ["--out", str(out), "--outside-population"]
    assert main([str(model), "--data", str(mixed), *options]) == 0
    children = pd.read_csv(out / "predictions_outside_population.csv")
    assert (len(children), children["age"].max()) == (8, 7)
    measured = json.loads((out / "metrics.json").read_text())
    assert measured["findings"] == found["findings"]
    assert measured["outside_population"]["pneumonia"]["auroc"]["value"] == pytest.approx(
        sk.roc_auc_score(children["label"], children["probability"]), abs=1e-6
    )
    assert "Outside the intended population" in (out / "report.html").read_text()
    # Both looks were at the same test split, whoever is counted.
    assert count_test_uses(found["data"]["population"]["data_sha256"]).evaluations == 2
    uses = read_jsonl(workspace / TEST_USES)
    assert {(use["films"], use["patients"]) for use in uses} == {(24, 24)}

    assert main([str(model), "--data", str(mixed), "--out", str(out)]) == 0
    assert not (out / "predictions_outside_population.csv").exists()

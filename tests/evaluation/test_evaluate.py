"""train.evaluate: the whole folder, for an installed model, a model folder and a run; what it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn import metrics as sk

from cxr_core.data.prepare import open_data
from cxr_core.evaluation.evaluate import compute_figures, record_in_card
from cxr_core.models.store import load_card
from cxr_core.training.run_data import LEARNING_SPLITS, describe_run_data, split_manifest
from cxr_core.training.runs.events import EpochDone
from cxr_core.training.runs.manifest import RunManifest
from cxr_core.training.runs.run_folder import RunFolder
from tests.tiny import TINY_RECIPE, tiny_card, tiny_model
from train.evaluate import main

pytestmark = pytest.mark.training

RECIPE = replace(TINY_RECIPE, validation_share=0.15)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    """Films of both classes in two parts, one patient each."""
    chance = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("films")
    for part, count in (("train", 20), ("test", 8)):
        for label in ("NORMAL", "PNEUMONIA"):
            folder = root / part / label
            folder.mkdir(parents=True)
            for i in range(count):
                name = (
                    f"person{i}_virus_{i}.png" if label == "PNEUMONIA" else f"IM-{i:04d}-0001.png"
                )
                Image.fromarray(chance.integers(0, 255, (80, 80), np.uint8)).save(folder / name)
    return root


def a_model(folder: Path) -> Path:
    return tiny_model(folder, tiny_card(findings=("pneumonia",)))


def a_run(folder: Path, dataset: Path, split: str) -> Path:
    """A finished run as train.fit leaves it, but for the training."""
    recipe = replace(RECIPE, split=split)
    manifest = split_manifest(recipe, open_data([dataset]))
    learnt = manifest.with_table(manifest.table[manifest.table["split"].isin(LEARNING_SPLITS)])
    facts = RunManifest(data=describe_run_data(learnt, recipe), folders=(str(dataset),))
    run = RunFolder.create(recipe, facts, folder)
    for epoch in (1, 2):
        run.append_event(
            EpochDone(
                epoch=epoch,
                step=10 * epoch,
                total_steps=20,
                loss=1 / epoch,
                validation_loss=1 / epoch,
                figures={"validation_auroc": 0.5},
                learning_rate=0.1,
                images_per_second=8.0,
                best_epoch=1,
            )
        )
    a_model(folder / "elsewhere").rename(run.model)
    return folder


def test_the_whole_folder_is_written_for_a_model(dataset, tmp_path, workspace, capsys):
    model, out = a_model(tmp_path / "models"), tmp_path / "out"
    assert main([str(model), "--data", str(dataset), "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out / "metrics.json")
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == {
        *("predictions.csv", "predictions.parquet", "metrics.json", "curves.json", "report.html"),
    }

    rows = pd.read_csv(out / "predictions.csv")
    assert list(rows.columns[:6]) == [
        "image",
        "patient",
        "finding",
        "label",
        "logit",
        "probability",
    ]
    assert (len(rows), rows["patient"].nunique(), int(rows["label"].sum())) == (16, 16, 8)
    assert rows["probability"].to_numpy() == pytest.approx(1 / (1 + np.exp(-rows["logit"])))

    typed = pd.read_parquet(out / "predictions.parquet")
    assert list(typed.columns) == list(rows.columns)
    pd.testing.assert_frame_equal(
        typed[["label", "probability"]], rows[["label", "probability"]], check_dtype=False
    )
    assert list(typed["image"]) == list(rows["image"])

    found = json.loads((out / "metrics.json").read_text())
    figures = found["findings"]["pneumonia"]
    assert figures["auroc"]["value"] == pytest.approx(
        sk.roc_auc_score(rows["label"], rows["probability"]), abs=1e-6
    )
    assert figures["f1"]["value"] == pytest.approx(
        sk.f1_score(rows["label"], rows["probability"] >= 0.5), abs=1e-6
    )
    assert set(figures["auroc"]) == {"value", "low", "high", "n", "positives"}
    assert found["weights_sha256"] == load_card(model).weights_sha256
    assert found["classification_report"]["pneumonia"]["present"]["support"] == 8
    curves = json.loads((out / "curves.json").read_text())
    assert set(curves["findings"]["pneumonia"]) == {
        *("roc", "precision_recall", "calibration", "confusion", "net_benefit", "coverage"),
    }
    assert list(curves["findings"]["pneumonia"]["coverage"]["rules"]) == [
        "distance"
    ]  # all it knows
    assert figures["coverage"]["distance"]["at"][0]["error"]["n"] == 16
    assert curves["training"] is None
    assert "macro" not in found


def test_several_findings_have_their_mean_beside_them(tmp_path, workspace):
    chance, rows = np.random.default_rng(1), ["image,patient,split,cardiomegaly,pneumonia"]
    (tmp_path / "films").mkdir()
    for n in range(12):
        Image.fromarray(chance.integers(0, 255, (80, 80), np.uint8)).save(
            tmp_path / "films" / f"{n}.png"
        )
        rows.append(f"{n}.png,p{n // 2},{'train' if n < 4 else 'test'},{n % 2},{n % 4 // 2}")
    (tmp_path / "films" / "labels.csv").write_text("\n".join(rows))
    model, out = tiny_model(tmp_path / "models", tiny_card()), tmp_path / "out"
    assert main([str(model), "--data", str(tmp_path / "films"), "--out", str(out)]) == 0
    found = json.loads((out / "metrics.json").read_text())
    assert found["macro"]["findings"] == list(found["findings"]) == ["cardiomegaly", "pneumonia"]
    for name in ("auroc", "average_precision"):
        mean = np.mean([figures[name]["value"] for figures in found["findings"].values()])
        assert found["macro"][name]["value"] == pytest.approx(mean, abs=1e-6)
    assert "Mean of 2 findings: AUROC" in (out / "report.html").read_text()
    assert "auroc_delong" not in found["findings"]["pneumonia"]


def test_a_finding_is_measured_against_normal_films_too(tmp_path: Path) -> None:
    rng, count = np.random.default_rng(3), 90
    kinds = rng.choice(["opacity", "other", "normal"], count)
    score = rng.normal((kinds == "opacity") * 1.5 + (kinds == "other") * 1.0)
    films = {
        "image": [f"{n}.png" for n in range(count)],
        "patient": [f"p{n // 2}" for n in range(count)],
        "view": "PA",
        "age": np.nan,
        "sex": "",
        "logit": score,
        "probability": 1 / (1 + np.exp(-score)),
    }
    pneumonia = pd.DataFrame({**films, "finding": "pneumonia", "label": 1.0 * (kinds == "opacity")})
    abnormality = pd.DataFrame(
        {**films, "finding": "abnormality", "label": 1.0 * (kinds != "normal")}
    )
    card = tiny_card(findings=("pneumonia", "abnormality"))
    found = compute_figures(card, pd.concat([pneumonia, abnormality], ignore_index=True))
    figure = found["pneumonia"].auroc_against_normal
    kept = kinds != "other"
    assert figure is not None
    assert figure.value == pytest.approx(
        sk.roc_auc_score(kinds[kept] == "opacity", score[kept]), abs=1e-6
    )
    assert (figure.n, figure.positives) == (kept.sum(), (kinds == "opacity").sum())
    assert figure.value > found["pneumonia"].auroc.value
    assert found["abnormality"].auroc_against_normal is None
    assert compute_figures(card, pneumonia)["pneumonia"].auroc_against_normal is None
    one_name = pd.concat([pneumonia, abnormality], ignore_index=True).assign(image="frontal.jpg")
    assert compute_figures(card, one_name)["pneumonia"].auroc_against_normal == figure


@pytest.mark.parametrize("split", ["given", "50:25:25"])
def test_a_run_is_measured_on_its_own_test_part(split, dataset, tmp_path, workspace):
    run = a_run(tmp_path / "run", dataset, split)
    assert main([str(run), "--data", str(dataset), "--record", "test"]) == 0
    out = run / "evaluation"
    rows, figures = (
        pd.read_csv(out / "predictions.csv"),
        json.loads((out / "metrics.json").read_text())["findings"],
    )
    expected = (
        split_manifest(replace(RECIPE, split=split), open_data([dataset]))
        .select_split("test")
        .table["patient"]
    )
    assert sorted(rows["patient"]) == sorted(expected)
    assert (len(rows) == 16) is (split == "given")
    assert load_card(run / "model").metrics["test"] == figures
    assert json.loads((out / "curves.json").read_text())["training"]["figures"]["loss"] == [1, 0.5]
    assert "Loss by epoch" in (out / "report.html").read_text()


def test_the_validation_part_of_a_run_is_the_one_it_was_tuned_on(dataset, tmp_path, workspace):
    run = a_run(tmp_path / "run", dataset, "given")
    assert main([str(run), "--data", str(dataset), "--split", "val"]) == 0
    found = json.loads((run / "evaluation" / "val" / "metrics.json").read_text())
    assert found["data"]["films"] == RunFolder(run).load_manifest().data.splits["val"].films
    assert not (run / "evaluation" / "metrics.json").exists()


def test_other_data_than_a_runs_own_is_refused_where_the_run_divided_it(
    dataset, tmp_path, workspace, capsys
):
    run = a_run(tmp_path / "run", dataset, "50:25:25")
    content = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**content, "split_sha256": "0" * 64}))
    assert main([str(run), "--data", str(dataset)]) == 3
    assert "give the run's own data" in capsys.readouterr().err
    assert not (run / "evaluation").exists()


def test_a_run_without_a_model_says_how_to_go_on(dataset, tmp_path, workspace, capsys):
    run = RunFolder.create(RECIPE, RunManifest(), tmp_path / "run")
    assert main([str(run.path), "--data", str(dataset)]) == 3
    assert "--resume" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_said(dataset, tmp_path, workspace, capsys):
    (tmp_path / "file").write_text("")
    assert (
        main(
            [
                str(a_model(tmp_path / "m")),
                "--data",
                str(dataset),
                "--out",
                str(tmp_path / "file"),
            ]
        )
        == 3
    )
    assert "cannot be written" in capsys.readouterr().err


def test_figures_join_what_others_have_written_into_the_card_meanwhile(tmp_path):
    model = tiny_model(tmp_path / "models", tiny_card())
    before = load_card(model)
    record_in_card(model, before, "test", {"cardiomegaly": 1})
    record_in_card(model, before, "boxes", {"cardiomegaly": 2})
    found = load_card(model).metrics
    assert (found["test"], found["boxes"]) == ({"cardiomegaly": 1}, {"cardiomegaly": 2})

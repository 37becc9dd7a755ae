"""A workspace that version 0.1.0 wrote opens in the present version: datasets, runs, models, gate, evaluations."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cxr_core.__main__ import main as read_command
from cxr_core.data.registry import find_dataset, list_damaged_folders, list_datasets
from cxr_core.evaluation.bootstrap.bootstrap import RAISED_BY_CHANCE
from cxr_core.evaluation.store.catalogue import list_records
from cxr_core.evaluation.store.loaded import load_evaluation
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from cxr_core.jobs.status import list_runs
from cxr_core.models.registry.pointers import read_history
from cxr_core.models.registry.registry import find_active_version
from cxr_core.promotion.gate.verdict import read_verdict
from tests.old_site import copy_old_site
from train.evaluate import main as evaluate_command
from train.fit import main as fit_command

RUN_TIME = {"made", "software"}  # entries of metrics.json that tell when and by which version


def forget_intervals(content: Any) -> None:
    """Remove the intervals of calibration errors, which version 0.1 took without correcting their bias."""
    for key, entry in content.items():
        if key in RAISED_BY_CHANCE:
            del entry["low"], entry["high"]
        elif isinstance(entry, dict):
            forget_intervals(entry)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the old site whose paths lead to the copy, with its workspace as the present one."""
    monkeypatch.setenv("CXR_WORKSPACE", str(copy_old_site(tmp_path / "site")))
    return tmp_path / "site"


def test_the_dataset_is_registered(site: Path) -> None:
    assert [dataset.name for dataset in list_datasets()] == ["films"]
    assert list_damaged_folders() == []
    assert find_dataset("films").name == "films"


def test_the_runs_have_the_status_they_had(site: Path) -> None:
    status = {run.id: run.state for run in list_runs()}
    assert status == {"finished": "finished", "stopped": "stopped", "taken_out": "stopped"}


def test_the_model_is_active_and_its_history_is_kept(site: Path) -> None:
    active = find_active_version("tiny")
    assert active is not None
    assert (active.version, active.reason) == ("1.0.0", "")
    (published,) = read_history("tiny")
    assert published["what"] == "published"
    verdict = read_verdict(site / "workspace/models/tiny/1.0.0")
    assert verdict is not None
    assert not verdict.is_open
    assert [check.status for check in verdict.checks] == ["pass", "pass", *["not enough cases"] * 2]


def test_both_evaluations_are_in_the_catalogue(site: Path) -> None:
    records, unreadable = list_records()
    assert (len(records), unreadable) == (2, [])
    for record in records:
        assert load_evaluation(record).findings == ("pneumonia",)


@pytest.mark.process
def test_the_model_reads_a_film(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.rint(draw_phantom(PhantomSpec()).pixels * 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "film.png")
    assert read_command(["read", "--json", "--age", "3", str(tmp_path / "film.png")]) == 0
    line = json.loads(capsys.readouterr().out)
    assert "tiny" in {finding["model"] for finding in line["findings"]}


@pytest.mark.process
def test_evaluating_the_finished_run_again_gives_the_same_figures(site: Path) -> None:
    run = site / "workspace/runs/finished"
    before = json.loads((run / "evaluation/metrics.json").read_text(encoding="utf-8"))
    with (run / "evaluation/predictions.csv").open(encoding="utf-8") as file:
        logits_before = [row["logit"] for row in csv.DictReader(file)]
    assert evaluate_command([str(run), "--data", "films", "--out", str(site / "again")]) == 0
    after = json.loads((site / "again/metrics.json").read_text(encoding="utf-8"))
    # Which version 0.1 did not record.
    assert after["data"].pop("population")["outside"] == {}
    assert after["data"].pop("split_by") in ("data", "run")
    for finding in after["findings"].values():
        assert finding.pop("coverage")
    for content in (before, after):
        for name in RUN_TIME:
            del content[name]
        forget_intervals(content)
    assert after == before
    with (site / "again/predictions.csv").open(encoding="utf-8") as file:
        logits_after = [row["logit"] for row in csv.DictReader(file)]
    np.testing.assert_allclose(
        np.array(logits_after, float), np.array(logits_before, float), rtol=1e-5
    )


@pytest.mark.process
def test_the_stopped_run_goes_on_from_its_checkpoint(site: Path) -> None:
    run = site / "workspace/runs/stopped"
    assert fit_command(["--resume", str(run)]) == 0
    assert (run / "model/card.json").is_file()
    events = [json.loads(line) for line in (run / "progress.jsonl").read_text().splitlines()]
    (resumed,) = [event for event in events if event["event"] == "resumed"]
    assert resumed["step"] == 3

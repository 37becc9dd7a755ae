"""train.grid: everything is run once, what stopped goes on, what cannot run keeps its place and its reason."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_core.training.fit import FitOptions
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.training.runs.events import EpochDone, RunResumed
from cxr_core.training.runs.figures import RunFigure
from cxr_core.training.runs.manifest import RunManifest
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.training.sweeps import grid
from cxr_core.training.sweeps.grid import GridEntry, format_csv, format_markdown, run_grid
from tests.lit_films import lit_films
from tests.tiny import TINY_RECIPE
from train.grid import main

pytestmark = pytest.mark.training

TINY = replace(TINY_RECIPE, name="tiny-balanced", epochs=2, split="60:20:20", balance="oversample")
OTHERS = {
    "tiny-unbalanced": {"balance": "none"},
    "lost-balanced": {"init": "no-such-file.safetensors"},
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return lit_films(tmp_path_factory.mktemp("films"), train=30)


@pytest.fixture
def recipes(tmp_path) -> list[str]:
    """Recipe files: both balances of one network, and one whose weights are out of reach."""
    made = []
    for recipe in (
        TINY,
        *(replace(TINY, name=name, **changes) for name, changes in OTHERS.items()),
    ):
        path = tmp_path / f"{recipe.name}.toml"
        path.write_text(format_recipe(recipe))
        made.append(str(path))
    return made


def test_one_command_runs_all_and_repeats_nothing(
    dataset, recipes, tmp_path, workspace, capsys, monkeypatch
):
    home = tmp_path / "runs"
    command = [
        *recipes,
        "--data",
        str(dataset),
        "--run",
        str(home),
        "--set",
        "epochs=1",
        "--device",
        "cpu",
    ]
    assert main(command) == 3
    said = capsys.readouterr().out
    figures = {
        name: json.loads((home / name / "evaluation" / "metrics.json").read_text())["findings"][
            "pneumonia"
        ]["f1"]
        for name in ("tiny-balanced", "tiny-unbalanced")
    }
    for figure in figures.values():
        counts = f"{figure['positives']} of {figure['n']}"
        assert (
            f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f}), {counts}" in said
        )
    (lost,) = [line for line in said.splitlines() if line.startswith("- lost-balanced: ")]
    assert "no-such-file.safetensors" in lost
    assert not (home / "lost-balanced").exists()
    assert "| could not run |" in said
    assert (home / "grid.md").read_text() + "\n" == said
    rows = list(csv.DictReader((home / "grid.csv").read_text().splitlines()))
    assert [row["recipe"] for row in rows] == ["tiny-balanced", "tiny-unbalanced", "lost-balanced"]
    assert float(rows[0]["f1"]) == figures["tiny-balanced"]["value"]
    assert (rows[2]["f1"], rows[2]["reason"] != "") == ("", True)

    written = (home / "tiny-balanced" / "evaluation" / "metrics.json").stat().st_mtime_ns
    monkeypatch.setattr(grid, "fit", lambda *_, **__: pytest.fail("trained again"))
    assert main([*recipes[:2], *command[3:]]) == 0
    assert (home / "tiny-balanced" / "evaluation" / "metrics.json").stat().st_mtime_ns == written
    assert main([*recipes[:2], *command[3:], "--set", "seed=5"]) == 3
    assert "another recipe" in capsys.readouterr().out


def test_what_was_stopped_goes_on(dataset, tmp_path, workspace):
    """Stopped in its second epoch; the recipes after it are not begun, and the next call ends them all."""
    home, events = tmp_path / "runs", []
    recipes = [TINY, replace(TINY, name="tiny-unbalanced", balance="none")]

    def measured(run: Path) -> None:
        weights = json.loads((run / "model" / "card.json").read_text())["weights_sha256"]
        figure = {"value": 0.5, "low": None, "high": None, "n": 12, "positives": 6}
        facts = {
            "schema": 1,
            "part": "test",
            "weights_sha256": weights,
            "findings": {"pneumonia": {"f1": figure}},
        }
        (run / "evaluation").mkdir()
        (run / "evaluation" / "metrics.json").write_text(json.dumps(facts))

    stopping = FitOptions(
        report=events.append,
        device="cpu",
        stop=lambda: any(isinstance(event, EpochDone) for event in events),
    )
    first, second = run_grid(recipes, [dataset], home, stopping, measured)
    assert "stopped at step" in first.reason
    assert (second.reason, (home / second.recipe.name).exists()) == (
        "not begun: the grid was stopped",
        False,
    )

    events.clear()
    entries = list(
        run_grid(recipes, [dataset], home, FitOptions(report=events.append, device="cpu"), measured)
    )
    assert [entry.reason for entry in entries] == ["", ""]
    assert sum(isinstance(event, RunResumed) for event in events) == 1
    assert RunFolder(home / "tiny-balanced").is_finished
    assert "undefined, 6 of 12 | undefined, 6 of 12" in format_markdown(entries)


def test_data_of_another_run_is_not_passed_off(dataset, tmp_path, workspace):
    RunFolder.create(TINY, RunManifest(folders=("elsewhere",)), tmp_path / "runs" / TINY.name)
    (entry,) = run_grid(
        [TINY], [dataset], tmp_path / "runs", FitOptions(report=print), lambda run: None
    )
    assert "other data" in entry.reason


def test_the_table_has_a_row_for_each_network_and_a_column_for_each_balance():
    def entry(name: str, backbone: str, balance: str, value: float) -> GridEntry:
        recipe = replace(TINY, name=name, backbone=backbone, balance=balance, head="attention")
        figure = RunFigure(
            split="test",
            finding="pneumonia",
            name="f1",
            value=value,
            low=value - 0.1,
            high=value + 0.1,
            n=1200,
            positives=30,
        )
        return GridEntry(recipe=recipe, run=Path(name), figures={"pneumonia": {"f1": figure}})

    entries = [
        entry("a-balanced", "resnet50", "oversample", 0.4),
        entry("b-balanced", "densenet121", "oversample", 0.3),
        entry("a-unbalanced", "resnet50", "none", 0.2),
    ]
    rows = [line for line in format_markdown(entries).splitlines() if line.startswith("| ")][1:]
    assert rows == [
        "| resnet50 | scratch | 0.400 (0.300 to 0.500), 30 of 1,200 | 0.200 (0.100 to 0.300), 30 of 1,200 |",
        "| densenet121 | scratch | 0.300 (0.200 to 0.400), 30 of 1,200 |  |",
    ]
    assert [row["balance"] for row in csv.DictReader(format_csv(entries).splitlines())] == [
        "balanced"
    ] * 2 + ["unbalanced"]


def test_the_three_stages_of_a_recipe_are_run(dataset, tmp_path, workspace, capsys):
    recipe = replace(TINY, head="attention", epochs=1)
    (tmp_path / "tiny.toml").write_text(format_recipe(recipe))
    command = [
        str(tmp_path / "tiny.toml"),
        "--data",
        str(dataset),
        "--run",
        str(tmp_path / "runs"),
        "--device",
        "cpu",
    ]
    assert main([*command, "--stages"]) == 0
    rows = list(csv.DictReader((tmp_path / "runs" / "grid.csv").read_text().splitlines()))
    assert [(row["recipe"], row["head"]) for row in rows] == [
        ("tiny-balanced-scratch", "averaged"),
        ("tiny-balanced-pretrained", "averaged"),
        ("tiny-balanced", "attention"),
    ]
    table = [
        line for line in capsys.readouterr().out.splitlines() if line.startswith("| mobilenetv3")
    ]
    assert len(table) == 3


def test_an_unknown_name_is_answered_before_anything_runs(dataset, workspace, capsys):
    assert main(["no-such-recipe", "--data", str(dataset)]) == 2
    assert "Choose from" in capsys.readouterr().err
    assert not workspace.exists()

"""An evaluation is read back whole, and what is wrong in one of its files is said with the file, line and key."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from cxr_core.errors import DataError
from cxr_core.evaluation.store.catalogue import load_record
from cxr_core.evaluation.store.folder import CURVES, METRICS, read_metrics
from cxr_core.evaluation.store.loaded import COLUMNS, load_evaluation
from cxr_core.evaluation.store.predictions import PREDICTIONS, read_predictions

WRITTEN = Path(__file__).parents[2] / "workspace_of_0_1/workspace/runs/finished/evaluation"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(WRITTEN, tmp_path / "evaluation")


def change_cell(name: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table[name] = table[name].astype(object)
        table.loc[4, name] = value
        return table

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (change_cell("probability", "high"), "line 6: probability is 'high', expected a number"),
        (change_cell("probability", 1.5), "line 6: probability is '1.5'"),
        (change_cell("probability", None), "line 6: probability is missing"),
        (change_cell("probability", "nan"), "line 6: probability is missing"),
        (change_cell("logit", "inf"), "line 6: logit is 'inf'"),
        (change_cell("logit", "1e308"), "line 6: logit is '1e+308'"),
        (change_cell("label", 2), "line 6: label is '2"),
        (change_cell("label", 0.5), "line 6: label is '0.5'"),
        (change_cell("age", "-3"), "line 6: age is '-3"),
        (change_cell("age", "9" * 400), "line 6: age is"),
        (change_cell("finding", "boredom"), "line 6: 'boredom' is no finding"),
        (change_cell("patient", None), "line 6: patient is missing"),
        (lambda table: table.drop(columns=["logit"]), "has no column logit"),
        (lambda table: table[:0], "has figures of pneumonia, predictions.csv has none"),
    ],
)
def test_a_wrong_value_of_the_predictions_is_said_with_its_line(folder, change, words) -> None:
    change(pd.read_csv(folder / PREDICTIONS)).to_csv(folder / PREDICTIONS, index=False)
    with pytest.raises(DataError) as raised:
        load_evaluation(load_record(folder))
    assert words in str(raised.value)
    assert PREDICTIONS in str(raised.value)


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff" * 99, b"image,patient\n1,2,3,4\n1", b'"' * 99]
)
def test_what_is_no_table_is_said_to_be_none(folder, content) -> None:
    (folder / PREDICTIONS).write_bytes(content)
    with pytest.raises(DataError, match=PREDICTIONS):
        read_predictions(folder, COLUMNS)


@pytest.mark.parametrize("name", [CURVES, METRICS])
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_text("{}"),
        lambda path: path.write_text("[" * 100_000),
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
        lambda path: path.write_text(path.read_text().replace("0.", "1e999, 0.")),
        lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | {"findings": 5})),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_a_damaged_file_is_a_data_error_with_its_name(folder, name, damage) -> None:
    damage(folder / name)
    with pytest.raises(DataError) as raised:
        load_evaluation(load_record(folder))
    assert name in str(raised.value) or "findings: found 5" in str(raised.value)


def test_curves_of_other_lengths_than_the_epochs_are_refused(folder) -> None:
    content = json.loads((folder / CURVES).read_text())
    next(iter(content["training"]["figures"].values())).append(0.5)
    (folder / CURVES).write_text(json.dumps(content))
    with pytest.raises(
        DataError, match=r"curves.json: training: \w+ has \d+ values for \d+ epochs"
    ):
        load_evaluation(load_record(folder))


def test_figures_of_another_form_are_no_metrics(folder) -> None:
    assert read_metrics(folder) is not None
    content = json.loads((folder / METRICS).read_text())
    content["findings"]["pneumonia"]["auroc"]["n"] = "many"
    (folder / METRICS).write_text(json.dumps(content))
    assert read_metrics(folder) is None

"""From a trained model and its data to a reading by an installed export, and to refusals."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cxr_core.models.exported.record import RECORD, export_folder, read_export
from cxr_core.models.networks.architectures import build_network
from cxr_core.models.store import load_card, save_model
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.segmenter import Segmenter
from cxr_core.scale.export import check, export, films
from cxr_core.training.fit import FitOptions, fit
from tests.export.conftest import show_nothing
from tests.lit_films import lit_films
from tests.models.networks.test_segmenter import ARGUMENTS, CARD
from tests.tiny import TINY_RECIPE
from train.verbs.export import main

LEAST = 10  # films that an export is checked on here


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """The model of a run and its data, in a workspace of their own."""
    place = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_WORKSPACE", str(place / "workspace"))
        patch.setattr(check, "MIN_FILMS", LEAST)
        patch.setattr(films, "MIN_FILMS", LEAST)
        data = lit_films(place / "data", train=24, test=2)
        fit(TINY_RECIPE, [data], FitOptions(report=lambda _: None, device="cpu"), run=place / "run")
        yield place / "run" / "model", data


@pytest.mark.training
def test_a_model_is_exported_checked_installed_and_read_with(trained, capsys):
    folder, data = trained
    assert main([str(folder), "--to", "openvino", "--data", str(data)]) == 0
    card = load_card(folder)
    record = read_export(card.weights_sha256, "openvino")
    assert record is not None
    assert capsys.readouterr().out.strip() == str(export_folder(card.weights_sha256, "openvino"))
    validation = card.training["data"]["parts"]["val"]
    assert (record.check.films, record.precision) == (validation["films"], "float32")
    assert record.check.largest_difference < 1e-3
    assert Classifier.load(folder, "auto").backend == "openvino"


@pytest.mark.training
def test_int8_is_calibrated_on_training_films_and_named(trained, monkeypatch):
    folder, data = trained
    monkeypatch.setattr(check, "MAX_AUROC_LOSS", 1.0)
    monkeypatch.setattr(check, "MAX_CHANGED_SHARE", 1.0)
    calibrated_on = []
    load = films.load_calibration_inputs
    monkeypatch.setattr(
        export, "load_calibration_inputs", lambda m, c: calibrated_on.append(m) or load(m, c)
    )
    record = export.export_to_backend(folder, "onnx", [data], int8=True, progress=show_nothing)
    assert record.precision == "int8"
    assert set(calibrated_on[0].table["split"]) == {"train"}
    model = Classifier.load(folder, "onnx")
    assert model.backend == "onnx int8"
    grid = np.random.default_rng(0).integers(0, 256, (1, 64, 64), np.uint8)
    (by_int8,), (by_torch,) = (
        each.read_grids(grid, [(64, 64)]) for each in (model, Classifier.load(folder))
    )
    assert 0 < abs(by_int8.logits - by_torch.logits).max() < 1


@pytest.mark.training
def test_an_export_that_answers_otherwise_is_refused_and_nothing_is_installed(
    trained, monkeypatch, capsys
):
    folder, data = trained
    build = export.build_onnx

    def build_wrong(model):
        for parameter in model.network.parameters():
            parameter.data *= 1.05
        return build(model)

    def export_wrong(model, backend, chosen, progress):
        return build_export(Classifier.load(folder), backend, chosen, progress)

    build_export = export.export_network
    before = read_export(load_card(folder).weights_sha256, "openvino")
    monkeypatch.setattr(export, "build_onnx", build_wrong)
    monkeypatch.setattr(export, "export_network", export_wrong)
    assert main([str(folder), "--to", "openvino", "--data", str(data)]) == 3
    said = capsys.readouterr().err
    assert "is not installed. " in said
    assert re.search(r"The verdict on \d+ of \d+ films differs; none may", said)
    assert read_export(load_card(folder).weights_sha256, "openvino") == before


@pytest.mark.training
def test_other_data_than_the_models_is_refused(trained, tmp_path, capsys):
    folder, _ = trained
    other = lit_films(tmp_path / "other", train=20)
    assert main([str(folder), "--to", "onnx", "--data", str(other)]) == 3
    assert "give the data that it was trained on" in capsys.readouterr().err


@pytest.mark.training
def test_too_few_films_are_refused_before_anything_is_exported(trained, monkeypatch, capsys):
    folder, data = trained
    monkeypatch.setattr(films, "MIN_FILMS", 500)
    assert main([str(folder), "--to", "onnx", "--data", str(data)]) == 3
    assert "an export is checked on at least 500" in capsys.readouterr().err


@pytest.mark.training
def test_a_segmenter_is_checked_on_films_without_masks(trained, tmp_path):
    _, data = trained
    folder = tmp_path / "anatomy" / "1.0.0"
    save_model(folder, CARD, build_network("segmenter", ARGUMENTS))
    record = export.export_to_backend(folder, "openvino", [data], progress=show_nothing)
    assert record.check.films >= LEAST
    assert record.check.largest_difference < 1e-3
    segmenter = Segmenter.load(folder, "openvino")
    grid = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    found = segmenter.segment_grid(grid, (64, 64))
    expected = Segmenter.load(folder).segment_grid(grid, (64, 64))
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-4)
    assert (found.backend, expected.backend) == ("openvino", "torch")


def test_without_data_the_files_are_written_but_not_installed(
    tiny_folder, in_onnx, workspace, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(export, "build_onnx", lambda model: in_onnx.files[0])
    out = tmp_path / "out"
    assert main([str(tiny_folder), "--to", "onnx", "--out", str(out)]) == 0
    assert [path.name for path in out.iterdir()] == ["network.onnx"]
    assert Classifier.load(tiny_folder, "auto").backend == "torch"
    assert main([str(tiny_folder), "--to", "onnx", "--out", str(out)]) == 3
    assert "it exists already; give another --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["tiny", "--to", "onnx"], "give --data to check and install"),
        (["tiny", "--to", "onnx", "--int8", "--out", "x"], "--int8 needs --data"),
        (["tiny", "--to", "tensorrt", "--out", "x"], "invalid choice: 'tensorrt'"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_an_unknown_model_is_refused(workspace, tmp_path, capsys):
    assert main(["nobody", "--to", "onnx", "--out", str(tmp_path / "out")]) == 3
    assert "is no model folder, run folder or installed model" in capsys.readouterr().err


def test_a_copy_has_the_record_that_was_installed(install_export, tmp_path):
    record = install_export("openvino")
    out = export.copy_export(record, tmp_path / "copy")
    assert sorted(path.name for path in out.iterdir()) == [RECORD, "network.bin", "network.xml"]
    assert json.loads((out / RECORD).read_text())["weights_sha256"] == record.weights_sha256

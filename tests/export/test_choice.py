"""Which network reads: the one that was asked for, never one that was changed, of other weights, or unchecked."""

import pytest

from cxr_core.errors import ModelError, SettingsError
from cxr_core.models.exported import backend as backends
from cxr_core.models.exported.backend import backend_setting
from cxr_core.models.exported.record import RECORD, export_folder, read_export
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.reader import Reader
from tests.tiny import tiny_model


def load(folder, choice):
    return Classifier.load(folder, choice)


def test_torch_reads_unless_something_else_is_asked_for(tiny_folder, install_export, monkeypatch):
    install_export("onnx")
    monkeypatch.delenv("CXR_BACKEND", raising=False)
    assert backend_setting() == "torch"
    assert Classifier.load(tiny_folder).backend == "torch"


def test_auto_takes_an_installed_export_and_else_torch(tiny_folder, install_export):
    assert load(tiny_folder, "auto").backend == "torch"
    install_export("onnx")
    assert load(tiny_folder, "auto").backend == "onnx"
    install_export("openvino")
    assert load(tiny_folder, "auto").backend == "openvino"


def test_a_backend_without_an_export_is_refused_with_what_to_do(tiny_folder, workspace):
    with pytest.raises(
        ModelError, match=r"tiny 1.0.0 was not exported for OpenVINO.*docs/export.md"
    ):
        load(tiny_folder, "openvino")


@pytest.mark.parametrize("choice", ["auto", "onnx"])
def test_a_file_that_was_changed_after_the_check_is_refused(tiny_folder, install_export, choice):
    record = install_export("onnx")
    path = export_folder(record.weights_sha256, "onnx") / "network.onnx"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"network.onnx has sha256 .* changed or damaged"):
        load(tiny_folder, choice)


def test_a_missing_file_and_a_damaged_record_are_refused(tiny_folder, install_export):
    record = install_export("openvino")
    folder = export_folder(record.weights_sha256, "openvino")
    (folder / "network.bin").unlink()
    with pytest.raises(ModelError, match=r"network.bin cannot be read"):
        load(tiny_folder, "auto")
    (folder / RECORD).write_text("{")
    with pytest.raises(ModelError, match=r"export.json cannot be read"):
        load(tiny_folder, "auto")


def test_an_export_of_other_weights_never_reads(tiny_folder, install_export, tmp_path):
    record = install_export("onnx")
    other = tiny_model(tmp_path / "other", seed=1)
    assert load(other, "auto").backend == "torch"
    # Not even under the name of those weights.
    weights = Classifier.load(other).card.weights_sha256
    export_folder(record.weights_sha256, "onnx").parent.rename(
        export_folder(weights, "onnx").parent
    )
    with pytest.raises(ModelError, match="of other weights"):
        load(other, "auto")


def test_another_version_of_the_library_needs_another_check(
    tiny_folder, install_export, monkeypatch
):
    install_export("onnx")
    monkeypatch.setattr("importlib.metadata.version", lambda package: "99.0")
    assert load(tiny_folder, "auto").backend == "torch"
    with pytest.raises(
        ModelError, match=r"checked with onnxruntime .* onnxruntime 99.0 is installed"
    ):
        load(tiny_folder, "onnx")


def test_without_the_packages_auto_is_torch_and_the_rest_says_how_to_install(
    tiny_folder, install_export, monkeypatch
):
    install_export("onnx")
    monkeypatch.setattr(
        "importlib.util.find_spec",
        lambda name, *rest: None,
    )
    assert backends.load_exported(Classifier.load(tiny_folder).card, "auto", 1) is None
    with pytest.raises(ModelError, match=r"ONNX Runtime is not installed: pip install .\[export\]"):
        load(tiny_folder, "onnx")


def test_the_environment_chooses_for_installed_models(tiny_folder, install_export, monkeypatch):
    install_export("onnx")
    monkeypatch.setattr("cxr_core.reading.reader.list_classifiers", lambda: [tiny_folder])
    monkeypatch.setattr("cxr_core.reading.reader.find_segmenter", lambda: None)
    monkeypatch.setenv("CXR_BACKEND", "onnx")
    with Reader.installed() as reader:
        assert [one.backend for one in reader.classifiers] == ["onnx"]
    with Reader.installed(backend="torch") as reader:
        assert [one.backend for one in reader.classifiers] == ["torch"]
    monkeypatch.setenv("CXR_BACKEND", "tensorrt")
    with pytest.raises(
        SettingsError, match=r"CXR_BACKEND is 'tensorrt', .*; choose from auto, torch"
    ):
        Reader.installed()


def test_a_record_survives_the_disk(tiny, install_export):
    record = install_export("openvino")
    again = read_export(tiny.card.weights_sha256, "openvino")
    assert again == record
    assert again.check.auroc["cardiomegaly"].exported == 0.9

"""A model as a zip: out of one workspace and into another the same, and nothing else gets in."""

import io
import json
import zipfile
from dataclasses import replace

import pytest
import torch

from cxr_core.errors import ModelError
from cxr_core.models.card import CARD, WEIGHTS
from cxr_core.models.registry.archive import IMPORT_PREFIX, export_model, import_model
from cxr_core.models.registry.registry import (
    find_active_version,
    find_segmenter,
    list_models,
    list_versions,
)
from cxr_core.models.store import load_card, load_network
from cxr_core.workspace.paths import SHIPPED_MODELS
from tests.tiny import tiny_card, tiny_model


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


@pytest.fixture
def files(tmp_path) -> dict[str, bytes]:
    """The files of a tiny model that is not installed."""
    folder = tiny_model(tmp_path / "elsewhere", replace(tiny_card(), version="2.0.0"))
    return {name: (folder / name).read_bytes() for name in (WEIGHTS, CARD)}


def test_what_goes_out_comes_in_the_same(tmp_path, workspace):
    out = tiny_model(tmp_path / "elsewhere", ood_statistics={"mean": torch.ones(3)})
    folder = import_model(export_model(out))
    assert folder == workspace / "models" / "tiny" / "1.0.0"
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        file.name: file.read_bytes() for file in out.iterdir()
    }
    load_network(folder, load_card(folder))
    assert find_active_version("tiny").folder == folder


def test_the_version_in_use_stays_in_use(files, workspace):
    first = tiny_model(workspace / "models")
    second = import_model(
        zipped({f"tiny/2.0.0/{name}": content for name, content in files.items()})
    )
    assert [folder.name for folder in list_versions("tiny")] == ["1.0.0", "2.0.0"]
    assert find_active_version("tiny").folder == first != second
    with pytest.raises(ModelError, match=r"tiny 2\.0\.0 is installed already"):
        import_model(zipped(files))


def test_a_model_that_outlines_comes_in_too(workspace):
    data = export_model(find_segmenter((SHIPPED_MODELS,)))
    with pytest.raises(ModelError, match="is installed already"):
        import_model(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name.rsplit("/", 1)[1]: archive.read(name) for name in archive.namelist()}
    card = json.loads(files[CARD]) | {"version": "99.0.0"}
    assert import_model(zipped(files | {CARD: json.dumps(card).encode()})).name == "99.0.0"


def changed(files: dict[str, bytes], **facts) -> dict[str, bytes]:
    return files | {CARD: json.dumps(json.loads(files[CARD]) | facts).encode()}


BAD = {
    "another file": (lambda files: files | {"run.py": b"print()"}, "run.py"),
    "a pickle": (lambda files: files | {"weights.pt": b"\x80\x04."}, "weights.pt"),
    "a way out": (
        lambda files: {f"../../{name}": content for name, content in files.items()} | {CARD: b"{}"},
        "one folder",
    ),
    "two models": (
        lambda files: {f"{place}/{name}": files[name] for place in "ab" for name in files},
        "one folder",
    ),
    "no weights": (lambda files: {CARD: files[CARD]}, "has no weights"),
    "no card": (lambda files: {WEIGHTS: files[WEIGHTS]}, "no readable card"),
    "other weights": (
        lambda files: files | {WEIGHTS: files[WEIGHTS][:-1] + bytes([files[WEIGHTS][-1] ^ 1])},
        "changed or damaged",
    ),
    "no name": (lambda files: changed(files, model="../tiny"), "cannot be a folder's name"),
    "another network": (
        lambda files: changed(files, architecture="pickled"),
        "unknown architecture",
    ),
    "tensors of another": (
        lambda files: changed(files, arguments=json.loads(files[CARD])["arguments"] | {"neck": 16}),
        "does not fit its network",
    ),
    "weights from a hub": (
        lambda files: changed(
            files, arguments=json.loads(files[CARD])["arguments"] | {"pretrained": True}
        ),
        r"asks for weights from elsewhere \(pretrained .* zip the folder again",
    ),
    "weights from a file": (
        lambda files: changed(
            files,
            arguments=json.loads(files[CARD])["arguments"]
            | {"backbone_arguments": {"checkpoint_path": "/a"}},
        ),
        r"asks for weights from elsewhere \(checkpoint_path",
    ),
    "another schema": (lambda files: changed(files, schema=99), "schema"),
}


@pytest.mark.parametrize("case", BAD)
def test_anything_else_is_refused_and_leaves_nothing(case, files, workspace):
    make, says = BAD[case]
    with pytest.raises(ModelError, match=says):
        import_model(zipped(make(files)))
    assert list_versions("tiny") == []
    assert [
        place.name for place in (workspace / "models").glob("**/*") if place.name != ".lock"
    ] == []


def test_what_is_no_zip_or_too_large_is_refused(files, workspace, monkeypatch):
    for data in (b"", b"not a zip", zipped(files)[:-30]):
        with pytest.raises(ModelError, match="not a readable zip file"):
            import_model(data)
    monkeypatch.setattr("cxr_core.models.registry.archive.MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(ModelError, match="unpack to more"):
        import_model(zipped(files))


def test_a_way_out_of_the_workspace_leads_nowhere(files, tmp_path, workspace):
    """Only the last part of a name counts, and it must be one of four."""
    folder = import_model(zipped({f"../../../{name}": content for name, content in files.items()}))
    assert folder == workspace / "models" / "tiny" / "2.0.0"


def test_an_import_that_was_killed_is_no_model_and_goes_with_the_next_one(files, workspace):
    draft = workspace / "models" / f"{IMPORT_PREFIX}left" / "model"
    draft.mkdir(parents=True)
    for name, content in files.items():
        (draft / name).write_bytes(content)
    publishing = workspace / "models" / "tiny" / ".9.0.0-left"
    publishing.mkdir(parents=True)
    (publishing / "card.json").write_bytes(files["card.json"])
    before = list_models()
    assert not any(name.startswith(".") for name in before)
    assert "tiny" not in before, "a model of drafts alone is none"
    import_model(zipped(files))
    assert not draft.parent.exists()

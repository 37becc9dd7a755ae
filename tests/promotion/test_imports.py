"""A model from a zip: checked and tried where nobody sees it, installed completely, and never in use by itself."""

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save

from cxr_core.errors import ModelError
from cxr_core.known_findings import FINDINGS_FILE, LocalFinding, define_finding
from cxr_core.models.card import CARD, WEIGHTS
from cxr_core.models.registry import registry
from cxr_core.models.registry.active_version import (
    activate_version,
    remove_version,
    retire_model,
)
from cxr_core.models.registry.archive import export_model
from cxr_core.models.registry.pointers import read_history
from cxr_core.models.registry.registry import (
    IMPORT_RECORD,
    find_active_version,
    find_segmenter,
    list_classifiers,
    list_models,
    list_versions,
)
from cxr_core.models.store import load_card, load_network
from cxr_core.presentation.wording import finding_name
from cxr_core.promotion import imports
from cxr_core.promotion.imports import IMPORT_PREFIX, import_model
from cxr_core.reading.trial_run.trial import try_model
from cxr_core.reading.trial_run.trial_process import read_drawings
from cxr_core.workspace.hashing import sha256_of_file
from cxr_core.workspace.paths import SHIPPED_MODELS
from tests.models.registry.test_archive import zipped
from tests.tiny import tiny_card, tiny_model
from train.models import main


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    """The files of a tiny model that is not installed."""
    folder = tiny_model(tmp_path / "elsewhere", replace(tiny_card(), version="2.0.0"))
    return {name: (folder / name).read_bytes() for name in (WEIGHTS, CARD)}


@pytest.fixture
def untried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is tried on drawings: a trial takes seconds, and has tests of its own."""
    monkeypatch.setattr(imports, "try_model", lambda folder: None)


def changed(files: dict[str, bytes], **facts: Any) -> dict[str, bytes]:
    return files | {CARD: json.dumps(json.loads(files[CARD]) | facts).encode()}


def with_weights(files: dict[str, bytes], tmp_path: Path, factor: float) -> dict[str, bytes]:
    """The same model with other weights, whose hash its card has."""
    (tmp_path / "w").write_bytes(files[WEIGHTS])
    tensors = {
        name: t * factor if t.is_floating_point() else t
        for name, t in load_file(tmp_path / "w").items()
    }
    (tmp_path / "w").write_bytes(save(tensors))
    hashed = changed(files, weights_sha256=sha256_of_file(tmp_path / "w"))
    return hashed | {WEIGHTS: (tmp_path / "w").read_bytes()}


@pytest.mark.usefixtures("untried")
def test_what_goes_out_comes_in_the_same_and_is_not_in_use(tmp_path, workspace):
    out = tiny_model(tmp_path / "elsewhere", ood_statistics={"mean": torch.ones(3)})
    folder = import_model(export_model(out))
    assert folder == workspace / "models" / "tiny" / "1.0.0"
    record = json.loads((folder / IMPORT_RECORD).read_text())
    assert set(record) == {"schema", "when", "zip", "name"}
    (folder / IMPORT_RECORD).unlink()
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        file.name: file.read_bytes() for file in out.iterdir()
    }
    load_network(folder, load_card(folder))


@pytest.mark.usefixtures("untried")
def test_a_model_brings_its_own_finding_along_unless_it_means_something_else_here(
    tmp_path, workspace, untried
):
    definition = LocalFinding(key="callus", name="Callus", definition="New bone at a rib.")
    card = replace(tiny_card("ribs", ("callus",)), local_findings=(definition,))
    zipped_model = export_model(tiny_model(tmp_path / "elsewhere", card))
    define_finding("callus", "Callus", "Hard skin.")
    with pytest.raises(
        ModelError, match=r"defined in this workspace as Callus: 'Hard skin\.'"
    ) as no:
        import_model(zipped_model)
    assert "make the definitions agree" in str(no.value)
    assert not list((workspace / "models").glob("[!.]*/*"))
    (workspace / FINDINGS_FILE).unlink()
    installed = import_model(zipped_model)
    assert load_card(installed).local_findings == (definition,)
    assert finding_name("callus") == "Callus (locally defined)"


@pytest.mark.usefixtures("untried", "workspace")
def test_a_model_that_defines_a_finding_of_the_program_is_refused(tmp_path):
    definition = LocalFinding(key="mass", name="Mass", definition="Larger than 4 cm.")
    card = replace(tiny_card("old", ("mass",)), local_findings=(definition,))
    zipped_model = export_model(tiny_model(tmp_path / "elsewhere", card))
    with pytest.raises(ModelError, match="another name of the finding 'mass'"):
        import_model(zipped_model)


def test_the_first_version_of_a_name_is_not_in_use_until_somebody_activates_it(files, workspace):
    folder = import_model(zipped(files))
    assert list_versions("tiny") == [folder]
    assert find_active_version("tiny") is None
    assert folder not in list_classifiers()
    (folder.parent / "current.json").write_text("{")
    assert find_active_version("tiny") is None, "a damaged pointer puts nothing in use"
    (folder.parent / "current.json").unlink()
    activate_version("tiny", "2.0.0", "it was measured here")
    assert folder in list_classifiers()
    assert [each["what"] for each in read_history("tiny")] == ["promoted", "imported"]
    retire_model("tiny", "too many calls")
    assert find_active_version("tiny") is None
    assert folder not in list_classifiers()
    with pytest.raises(ModelError, match="no version of tiny is active"):
        retire_model("tiny", "again")
    assert read_history("tiny")[0]["before"] == "2.0.0"


@pytest.mark.usefixtures("untried")
def test_the_version_in_use_stays_in_use(files, workspace):
    first = tiny_model(workspace / "models")
    second = import_model(
        zipped({f"tiny/2.0.0/{name}": content for name, content in files.items()})
    )
    assert [folder.name for folder in list_versions("tiny")] == ["1.0.0", "2.0.0"]
    assert find_active_version("tiny").folder == first != second
    with pytest.raises(ModelError, match=r"tiny 2\.0\.0 is installed already"):
        import_model(zipped(files))


@pytest.mark.usefixtures("untried")
def test_a_segmenter_is_not_in_use_either_and_only_one_is(workspace):
    shipped = find_segmenter()
    data = export_model(shipped)
    with pytest.raises(ModelError, match="is installed already"):
        import_model(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name.rsplit("/", 1)[1]: archive.read(name) for name in archive.namelist()}
    card = json.loads(files[CARD])
    new = changed(files, version="99.0.0")
    assert import_model(zipped(new)).name == "99.0.0"
    for name in ("a-segmenter", "z-segmenter"):
        folder = import_model(zipped(changed(files, model=name)))
        assert find_segmenter() == shipped
    activate_version("a-segmenter", card["version"], "better here")
    assert find_segmenter() == folder.parents[1] / "a-segmenter" / card["version"]
    assert find_active_version("anatomy") is None
    assert "segments films instead" in read_history("anatomy")[0]["note"]
    activate_version("anatomy", shipped.name, "worse after all")
    assert find_segmenter() == shipped
    with pytest.raises(ModelError, match="model of another kind"):
        import_model(zipped(changed(tiny_files(workspace), model="anatomy", version="7")))


def tiny_files(workspace: Path) -> dict[str, bytes]:
    folder = tiny_model(workspace.parent / "other")
    return {name: (folder / name).read_bytes() for name in (WEIGHTS, CARD)}


ARGUMENTS = {"backbone": "mobilenetv3_small_050", "findings": 2, "channels": 1, "side": 64}
BAD: dict[str, tuple[Any, str]] = {
    "no weights": (lambda files: {CARD: files[CARD]}, "has no weights"),
    "no card": (lambda files: {WEIGHTS: files[WEIGHTS]}, "no readable card"),
    "other weights": (
        lambda files: files | {WEIGHTS: files[WEIGHTS][:-1] + bytes([files[WEIGHTS][-1] ^ 1])},
        "changed or damaged",
    ),
    "a path as name": (lambda files: changed(files, model="../tiny"), "cannot be a folder's name"),
    "a number that is none": (lambda files: changed(files, version="²"), "cannot be a folder's"),
    "the pointer's name": (lambda files: changed(files, version="current.json"), "cannot be a"),
    "the log's name": (lambda files: changed(files, model="log.jsonl"), "cannot be a folder's"),
    "another network": (
        lambda files: changed(files, architecture="pickled"),
        "unknown architecture",
    ),
    "tensors of another": (
        lambda files: changed(files, arguments=ARGUMENTS | {"neck": 16}),
        "does not fit its network",
    ),
    "a giant network": (
        lambda files: changed(files, arguments=ARGUMENTS | {"backbone": "vit_giant_patch14_224"}),
        "cannot be built",
    ),
    "weights from a hub": (
        lambda files: changed(files, arguments=ARGUMENTS | {"neck": 8, "pretrained": True}),
        r"asks for weights from elsewhere \(pretrained ",
    ),
    "weights from a file": (
        lambda files: changed(
            files,
            arguments=ARGUMENTS | {"neck": 8, "backbone_arguments": {"checkpoint_path": "/a"}},
        ),
        r"asks for weights from elsewhere \(checkpoint_path",
    ),
    "another schema": (lambda files: changed(files, schema=99), "schema"),
    "an age that is a list": (
        lambda files: changed(files, population={"text": "all", "age_min": [1]}),
        "age_min",
    ),
    "a boundless threshold": (
        lambda files: (
            files | {CARD: files[CARD].replace(b'"threshold": 0.5', b'"threshold": 1e308')}
        ),
        "threshold",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_anything_else_is_refused_and_leaves_nothing(case, files, workspace, monkeypatch):
    """Each is found at the latest when the model is loaded, which a trial begins with."""
    monkeypatch.setattr(
        imports, "try_model", lambda folder: load_network(folder, load_card(folder))
    )
    make, says = BAD[case]
    with pytest.raises(ModelError, match=says):
        import_model(zipped(make(files)))
    assert list_versions("tiny") == []
    assert [
        place.name
        for place in (workspace / "models").glob("**/*")
        if place.name not in (".lock", ".import.lock")
    ] == []


@pytest.mark.usefixtures("untried")
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


@pytest.mark.usefixtures("untried")
def test_a_version_is_removed_at_once_and_on_record_but_never_the_one_in_use(files, workspace):
    first = tiny_model(workspace / "models")
    second = import_model(zipped(files))
    for model, version, note, says in (
        ("tiny", "1.0.0", "why", "is active"),
        ("tiny", "3.0.0", "why", "choose from 1.0.0, 2.0.0"),
        ("tiny", "2.0.0", " ", "say why"),
        ("other", "1.0.0", "why", "no model 'other'"),
        ("anatomy", list_versions("anatomy")[0].name, "why", "came with the program"),
    ):
        with pytest.raises(ModelError, match=says):
            remove_version(model, version, note)
    assert (first.is_dir(), second.is_dir()) == (True, True)
    remove_version("tiny", "2.0.0", "worse")
    assert list_versions("tiny") == [first]
    assert [place.name for place in first.parent.iterdir()] == ["1.0.0"]
    assert [(each["what"], each["note"]) for each in read_history("tiny")] == [
        ("removed", "worse"),
        ("imported", ""),
    ]
    retire_model("tiny", "why")
    remove_version("tiny", "1.0.0", "why")
    assert not first.parent.exists()
    assert "tiny" not in list_models()


@pytest.mark.usefixtures("untried")
def test_a_removal_that_was_killed_leaves_no_half_of_a_version(files, workspace, monkeypatch):
    tiny_model(workspace / "models")
    import_model(zipped(files))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cxr_core.models.registry.active_version.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_version("tiny", "2.0.0", "why")
    assert [folder.name for folder in list_versions("tiny")] == ["1.0.0"]
    import_model(zipped(files))
    remove_version("tiny", "2.0.0", "again")
    assert [place.name for place in (workspace / "models" / "tiny").iterdir()] == ["1.0.0"]


@pytest.mark.usefixtures("untried")
def test_models_are_imported_activated_and_removed_from_a_shell(files, workspace, tmp_path, capsys):
    (tmp_path / "tiny.zip").write_bytes(zipped(files))
    folder = workspace / "models" / "tiny" / "2.0.0"

    def run(*words: str) -> tuple[int, str, str]:
        status, output = main(list(words)), capsys.readouterr()
        return status, output.out, output.err

    assert run("import", str(tmp_path / "tiny.zip")) == (0, f"{folder}\n", "")
    assert f"tiny 2.0.0  {folder}\n" in run("list")[1]
    assert run("activate", "tiny", "2.0.0", "--note", "measured")[0] == 0
    assert f"tiny 2.0.0 active  {folder}\n" in run("list")[1]
    status, out, err = run("remove", "tiny", "2.0.0", "--note", "why")
    assert (status, out) == (3, "")
    assert err.startswith("train.models: tiny 2.0.0 is active; ")
    assert run("stop", "tiny", "--note", "why") == (0, "", "")
    assert run("remove", "tiny", "2.0.0", "--note", "why") == (0, "", "")
    assert "tiny" not in run("list")[1]
    status, _, err = run("import", str(tmp_path))
    assert (status, "it is a folder" in err) == (3, True)


@pytest.mark.process
def test_a_model_is_tried_on_drawings_in_a_process_with_limits(files, workspace):
    folder = import_model(zipped(files))
    with pytest.raises(ModelError, match=r"took more than 0\.1 s"):
        try_model(folder, time_limit_s=0.1)
    with pytest.raises(ModelError, match="memory"):
        try_model(folder, memory_limit=100 << 20)


@pytest.mark.parametrize(("factor", "says"), [(0.0, "same result for 6 "), (1e30, "finite")])
def test_a_model_that_says_nothing_is_refused(
    factor, says, files, workspace, tmp_path, monkeypatch
):
    """The trial's own code, in this process and without the shipped models beside it."""
    monkeypatch.setattr(registry, "SHIPPED_MODELS", tmp_path / "none")
    monkeypatch.setattr(imports, "try_model", read_drawings)
    with pytest.raises(ModelError, match=says):
        import_model(zipped(with_weights(files, tmp_path, factor)))
    assert list_versions("tiny") == []


@pytest.mark.release
def test_the_shipped_models_pass_their_trial(workspace):
    try_model(find_active_version("cardiomegaly-adults", (SHIPPED_MODELS,)).folder)
    try_model(find_segmenter((SHIPPED_MODELS,)))

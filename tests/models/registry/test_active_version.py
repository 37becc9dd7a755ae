"""Which version of a model is in use: explicit, changed in one step, on record; and what a damaged pointer does."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_core.errors import ModelError
from cxr_core.models.registry import pointers, registry
from cxr_core.models.registry.active_version import activate_version, roll_back
from cxr_core.models.registry.pointers import read_history
from cxr_core.models.registry.registry import (
    explain_inactive,
    find_active_version,
    list_classifiers,
    list_versions,
    registry_fingerprint,
)
from cxr_core.reading.reader import Reader
from cxr_core.workspace.jsonl import append_line, read_jsonl
from tests.tiny import tiny_card, tiny_model


@pytest.fixture(scope="module")
def three_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three versions of one model; written once, copied for each test."""
    root = tmp_path_factory.mktemp("models")
    for version in ("1.2.0", "1.9.0", "1.10.0"):
        tiny_model(root, replace(tiny_card(), version=version))
    return root / "tiny"


@pytest.fixture
def home(workspace: Path, three_versions: Path) -> Path:
    """Three versions of one model."""
    return Path(shutil.copytree(three_versions, workspace / "models" / "tiny"))


def used() -> str:
    found = find_active_version("tiny")
    assert found is not None
    return found.version


def test_the_highest_version_is_in_use_until_another_is_named(home):
    assert used() == "1.10.0"
    assert roll_back("tiny", "why").name == "1.9.0"
    assert activate_version("tiny", "1.2.0", "why").name == used() == "1.2.0"
    assert home / "1.2.0" in list_classifiers()
    assert activate_version("tiny", "1.10.0", "why").name == used() == "1.10.0"
    assert [path.name for path in list_versions("tiny")] == ["1.2.0", "1.9.0", "1.10.0"]


def test_the_record_of_changes_only_grows(home):
    roll_back("tiny", "too many calls")
    before = (home.parent / "log.jsonl").read_bytes()
    activate_version("tiny", "1.10.0", "they were right")
    assert (home.parent / "log.jsonl").read_bytes().startswith(before)
    told = [
        (each["what"], each["version"], each["before"], each["note"])
        for each in read_history("tiny")
    ]
    assert told == [
        ("promoted", "1.10.0", "1.9.0", "they were right"),
        ("rolled back", "1.9.0", "1.10.0", "too many calls"),
    ]


def test_a_kill_between_pointer_and_log_loses_no_record(home, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(pointers, "append_line", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            roll_back("tiny", "first")
    assert used() == "1.9.0"
    assert [each["note"] for each in read_history("tiny")] == ["first"]
    roll_back("tiny", "second")
    lines = read_jsonl(home.parent / "log.jsonl")
    assert [each["note"] for each in lines if each["model"] == "tiny"] == ["first", "second"]


def test_a_kill_before_the_pointer_is_whole_changes_nothing(home, monkeypatch):
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        roll_back("tiny", "why")
    assert (used(), read_history("tiny")) == ("1.10.0", [])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 3}', '{"version": null}', "\0"])
def test_a_damaged_pointer_falls_back_and_says_so(home, text):
    (home / "current.json").write_text(text)
    found = find_active_version("tiny")
    assert found.version == "1.10.0"
    assert "cannot be read" in found.reason


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "current.json cannot be read, so no version of tiny is active"),
        ('{"version": "9.9"}', "names tiny 9.9, which is gone, so no version of tiny is active"),
        ('{"version": null, "active": false}', ""),
        (None, ""),
    ],
)
def test_imported_versions_without_a_sound_pointer_are_not_active_and_the_reason_is_given(
    home, text, says
):
    for version in list_versions("tiny"):
        (version / registry.IMPORT_RECORD).write_text("{}")
    if text is not None:
        (home / "current.json").write_text(text)
    assert find_active_version("tiny") is None
    reason = explain_inactive("tiny")
    assert says in reason
    assert bool(reason) is bool(says)


@pytest.mark.parametrize("version", ["9.9", "../tiny/1.2.0", "", "."])
def test_a_pointer_to_a_version_that_is_gone_falls_back_and_says_so(home, version):
    (home / "current.json").write_text(json.dumps({"version": version}))
    found = find_active_version("tiny")
    assert (found.version, "which is gone" in found.reason) == ("1.10.0", True)
    assert roll_back("tiny", "mended").name == used() == "1.9.0"


@pytest.mark.parametrize(
    ("version", "note", "says"),
    [
        ("1.2.0", " ", "say why"),
        ("7", "why", "choose from 1.2.0, 1.9.0, 1.10.0"),
        ("1.10.0", "why", "active already"),
    ],
)
def test_what_is_refused(home, version, note, says):
    with pytest.raises(ModelError, match=says):
        activate_version("tiny", version, note)
    assert not (home / "current.json").exists()


def test_there_is_nothing_below_the_lowest_and_no_model_of_another_name(home):
    activate_version("tiny", "1.2.0", "why")
    with pytest.raises(ModelError, match="no version below"):
        roll_back("tiny", "why")
    with pytest.raises(ModelError, match="no model 'other'"):
        roll_back("other", "why")


def test_a_damaged_version_is_never_put_to_use(home):
    weights = home / "1.9.0" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="cannot be used"):
        roll_back("tiny", "why")
    assert used() == "1.10.0"


def test_shipped_models_are_versions_too(workspace):
    shipped = list_versions("pneumonia-children")[-1].name
    tiny_model(
        workspace / "models", replace(tiny_card(), model="pneumonia-children", version="99.0.0")
    )
    assert find_active_version("pneumonia-children").version == "99.0.0"
    folder = roll_back("pneumonia-children", "the shipped one was better")
    assert (folder.name, folder in list_classifiers()) == (shipped, True)
    assert "pretrained" in folder.parts


def test_a_reader_made_after_a_change_reads_with_the_other_version(home, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "SHIPPED_MODELS", tmp_path / "none")
    before = registry_fingerprint()
    with Reader.installed() as old:
        roll_back("tiny", "why")
        assert registry_fingerprint() != before
        with Reader.installed() as new:
            told = [
                next(card.version for card in reader.cards if card.model == "tiny")
                for reader in (old, new)
            ]
    assert told == ["1.10.0", "1.9.0"]


def test_a_ledger_survives_a_line_that_was_cut_short(tmp_path):
    path = tmp_path / "a" / "log.jsonl"
    append_line(path, {"n": 1})
    with path.open("ab") as file:
        file.write(b'{"n": 2, "who')
    append_line(path, {"n": 3})
    assert read_jsonl(path) == [{"n": 1}, {"n": 3}]
    assert read_jsonl(tmp_path / "none") == []


def test_a_registry_that_cannot_be_locked_is_reported_in_a_sentence(home: Path) -> None:
    (home.parent / ".lock").mkdir()
    with pytest.raises(ModelError, match=r"models cannot be written: .*; free space"):
        roll_back("tiny", "why")
    assert used() == "1.10.0"

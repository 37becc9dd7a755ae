"""One model of each finding and patient is active: what is replaced, refused, undone, and what a kill leaves."""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cxr_core.errors import ModelError
from cxr_core.models.card import Population
from cxr_core.models.registry import pointers, registry
from cxr_core.models.registry.active_version import activate_version, remove_version, retire_model
from cxr_core.models.registry.model_status import describe_status
from cxr_core.models.registry.overlap import list_conflicts
from cxr_core.models.registry.pointers import log_event, read_history
from cxr_core.models.registry.registry import (
    list_active_versions,
    list_classifiers,
    list_versions,
)
from cxr_core.models.registry.undo import find_last_change, undo_last_change
from cxr_core.models.store import load_card
from cxr_core.workspace.json_files import write_json
from tests.tiny import tiny_card, tiny_model
from train.models import main

ADULTS = Population(text="adults", age_min=18)
CHILDREN = Population(text="children", age_max=17)
Install = Callable[..., None]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, written once; each test copies it and changes its card."""
    return tiny_model(tmp_path_factory.mktemp("models"), tiny_card(findings=("pneumonia", "mass")))


@pytest.fixture
def install(
    workspace: Path, model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Install:
    """Installs a model by hand; active, unless `retired`. in_card: the name that its card has, if another one."""
    monkeypatch.setattr(registry, "SHIPPED_MODELS", tmp_path / "none")

    def install(
        name: str,
        findings: tuple[str, ...] = ("pneumonia",),
        population: Population = ADULTS,
        retired: bool = False,
        in_card: str = "",
    ) -> None:
        folder = workspace / "models" / name / "1.0.0"
        shutil.copytree(model_folder, folder)
        weights = load_card(folder).weights_sha256
        card = tiny_card(in_card or name, findings, population=population, weights_sha256=weights)
        (folder / "card.json").write_text(card.to_json())
        if retired:
            retire_model(name, "not yet")

    return install


def install_version(model: str, version: str) -> Path:
    """Another version of an installed model, which was never active."""
    (first,) = list_versions(model)
    return Path(shutil.copytree(first, first.with_name(version)))


def active() -> list[str]:
    return [folder.parent.name for folder in list_classifiers()]


@pytest.mark.parametrize(
    ("population", "expected"),
    [(ADULTS, ["new"]), (Population(text="all"), ["new"]), (CHILDREN, ["new", "old"])],
)
def test_activation_retires_a_model_of_another_name_for_the_same_patients_only(
    install: Install, population: Population, expected: list[str]
) -> None:
    install("old")
    install("new", population=population, retired=True)
    activate_version("new", "1.0.0", "better")
    assert active() == expected
    if "old" not in expected:
        assert (read_history("old")[0]["what"], read_history("old")[0]["note"]) == (
            "retired",
            "replaced by new 1.0.0",
        )


@pytest.mark.parametrize(
    ("findings", "population", "loss"),
    [
        (("mass", "pneumonia"), ADULTS, "also answers mass"),
        (("pneumonia",), Population(text="all"), "reads patients who are not among adults"),
    ],
)
def test_a_model_that_does_more_must_be_retired_first(
    install: Install, findings: tuple[str, ...], population: Population, loss: str
) -> None:
    install("old", findings, population)
    install("new", retired=True)
    with pytest.raises(ModelError, match=rf"{loss}.*retire old first"):
        activate_version("new", "1.0.0", "better")
    assert active() == ["old"]
    retire_model("old", "why")
    activate_version("new", "1.0.0", "better")
    assert active() == ["new"]


def test_undo_takes_back_the_whole_step_and_can_be_undone(install: Install) -> None:
    install("old")
    install("new", retired=True)
    activate_version("new", "1.0.0", "better")
    assert find_last_change("old") == find_last_change("new") == {"new": "", "old": "1.0.0"}
    assert undo_last_change("old", "a slip") == (
        "new is no longer in use, and old 1.0.0 is active again"
    )
    assert active() == ["old"]
    undo_last_change("new", "no slip")
    assert active() == ["new"]
    assert [entry["what"] for entry in read_history("old")] == ["undone", "undone", "retired"]


def test_undo_never_makes_two_answer(install: Install) -> None:
    install("old")
    retire_model("old", "why")
    install("third")
    with pytest.raises(ModelError, match=r"meanwhile third 1\.0\.0 .* is in use"):
        undo_last_change("old", "a slip")
    assert active() == ["third"]


def test_a_step_is_not_undone_once_a_part_of_it_has_changed_again(install: Install) -> None:
    install("old")
    install("new", retired=True)
    activate_version("new", "1.0.0", "better")
    retire_model("new", "worse")
    assert find_last_change("old") == {}
    with pytest.raises(ModelError, match="cannot be undone"):
        undo_last_change("old", "a slip")
    undo_last_change("new", "a slip")
    assert active() == ["new"]


def test_a_kill_within_the_step_leaves_all_models_changed_or_none(
    install: Install, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at every write in turn: never are both active, and never neither."""
    written = 0

    def killed_at(last: int) -> None:
        def write(*given: object, **more: object) -> None:
            nonlocal written
            if written == last:
                raise KeyboardInterrupt
            written += 1
            write_json(*given, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(pointers, "write_json", write)

    install("old")
    install("new", retired=True)
    for last in range(3):
        written = 0
        killed_at(last)
        with pytest.raises(KeyboardInterrupt):
            activate_version("new", "1.0.0", "better")
        assert active() == (["old"] if last == 0 else ["new"])
        monkeypatch.undo()
        monkeypatch.setenv("CXR_WORKSPACE", str(workspace))
        monkeypatch.setattr(registry, "SHIPPED_MODELS", workspace / "none")
        if last > 0:
            undo_last_change("new", "again")
        assert active() == ["old"]
        assert not (workspace / "models" / registry.CHANGE).exists()


def test_two_that_were_copied_by_hand_are_named_until_one_is_retired(install: Install) -> None:
    install("first")
    install("second")
    (sentence,) = list_conflicts()
    assert "first 1.0.0 and second 1.0.0 both answer pneumonia" in sentence
    retire_model("second", "why")
    assert list_conflicts() == []


def test_a_model_whose_card_has_another_name_is_known_by_its_folder(install: Install) -> None:
    install("renamed", in_card="new")
    install("new", retired=True)
    activate_version("new", "1.0.0", "better")
    assert active() == ["new"]
    assert read_history("renamed")[0]["note"] == "replaced by new 1.0.0"
    activate_version("renamed", "1.0.0", "back again")
    assert active() == ["renamed"]
    install("second", in_card="new")
    (sentence,) = list_conflicts()
    assert "renamed 1.0.0 and second 1.0.0 both answer pneumonia" in sentence


def test_a_list_of_models_opens_the_folders_of_each_once(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(6):
        install(f"model{n}", population=CHILDREN)
    opened: Counter[str] = Counter()
    scan = os.scandir

    def counted(path: Any = ".") -> Any:
        opened[Path(path).name] += 1
        return scan(path)

    monkeypatch.setattr(os, "scandir", counted)
    assert len(list_active_versions()) == 6
    assert max(opened[f"model{n}"] for n in range(6)) <= 3


def test_commands_say_what_they_replace_and_undo_it(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("old")
    install("new", retired=True)
    assert main(["activate", "new", "1.0.0", "--note", "better"]) == 0
    assert "replaces old 1.0.0 for pneumonia" in capsys.readouterr().err
    assert main(["undo", "new"]) == 0
    assert "old 1.0.0 is active again" in capsys.readouterr().err
    assert main(["retire", "old", "--note", "why"]) == 0
    assert main(["undo", "new"]) == 3
    assert "cannot be undone" in capsys.readouterr().err
    assert main(["stop", "old", "--note", "why"]) == 3
    assert active() == []


def test_what_became_of_a_model_is_said(install: Install) -> None:
    install("old")
    folder = install_version("old", "0.9.0")
    assert describe_status("old", "0.9.0") == "not in use"
    log_event({"model": "old", "version": "0.9.0", "what": "imported", "note": ""})
    assert describe_status("old", "0.9.0") == "not in use"
    shutil.rmtree(folder)
    assert describe_status("old", "1.0.0") == "active"
    retire_model("old", "why")
    assert describe_status("old", "1.0.0") == "no longer in use"
    install("stays", ("mass",))
    remove_version("old", "1.0.0", "worse")
    assert describe_status("old", "1.0.0").startswith("removed on 20")
    assert describe_status("old", "1.0.0").endswith("(worse)")
    assert describe_status("stranger", "1") == "not installed here"

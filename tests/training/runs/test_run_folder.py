"""A run's manifest and events keep their keys on disk, and those of version 0.1 are read."""

import json
from pathlib import Path

import pytest

from cxr_core.data.manifest import SplitCounts
from cxr_core.data.splits.holdout import HASH_KEY
from cxr_core.errors import RunError
from cxr_core.training.runs.events import (
    CLASSES,
    EpochDone,
    PreparationProgress,
    RunBegun,
    RunResumed,
    event_from_json,
    event_to_json,
)
from cxr_core.training.runs.manifest import (
    DataDescription,
    Exclusions,
    HoldoutExclusion,
    RunManifest,
)
from cxr_core.training.runs.run_files import last_checkpoint_step, read_last_event
from cxr_core.training.runs.run_folder import RunFolder
from tests.training.test_fit import TINY

MANIFEST = RunManifest(
    data=DataDescription(
        kind="nih14+csv",
        data_sha256="a" * 64,
        split_sha256="b" * 64,
        splits={"train": SplitCounts(films=9, patients=7, positives={"pneumonia": 3})},
    ),
    folders=("/data/nih",),
    version="1.2.0",
    retry_of="tiny-1",
    initial_weights="imagenet",
    exclusions=Exclusions(
        official_test=True,
        kinds=frozenset({"nih14", "csv"}),
        holdout=HoldoutExclusion(
            rule=HASH_KEY, share=0.1, carved=0.2, films=4, patients=3, split_sha256="c" * 64
        ),
    ),
    segmenter="anatomy 1.1.0",
    members=("one", "two"),
)
ON_DISK = {
    "kind": "nih14+csv",
    "data_sha256": "a" * 64,
    "split_sha256": "b" * 64,
    "parts": {"train": {"films": 9, "patients": 7, "positives": {"pneumonia": 3}}},
    "folders": ["/data/nih"],
    "version": "1.2.0",
    "retry_of": "tiny-1",
    "began_from": "imagenet",
    "left_aside": {
        "official_test": True,
        "kinds": ["csv", "nih14"],
        "gate": {
            "rule": HASH_KEY,
            "share": 0.1,
            "carved": 0.2,
            "films": 4,
            "patients": 3,
            "split_sha256": "c" * 64,
        },
    },
    "regions_from": "anatomy 1.1.0",
    "averaged": ["one", "two"],
}
EPOCH = {
    "event": "epoch",
    "epoch": 2,
    "step": 6,
    "of": 9,
    "loss": 0.5,
    "validation_loss": 0.4,
    "validation_auroc": 0.9,
    "validation_accuracy": 0.8,
    "learning_rate": 0.1,
    "images_per_second": 8.0,
    "best_epoch": 2,
}


def test_a_manifest_keeps_its_keys_on_disk_and_comes_back(tmp_path: Path) -> None:
    run = RunFolder.create(TINY, MANIFEST, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "manifest.json").read_text()) == ON_DISK
    assert run.load_manifest() == MANIFEST
    assert run.load_recipe() == TINY


def test_a_card_tells_no_folder_of_the_data() -> None:
    told = MANIFEST.training_data()
    assert set(ON_DISK) - set(told) == {"folders", "version", "began_from"}
    assert Exclusions.from_training({"data": told}) == MANIFEST.exclusions


def test_an_earlier_manifest_without_the_later_keys_is_read() -> None:
    early = RunManifest.from_json({"kind": "csv", "folders": ["/data"]})
    assert early.exclusions == Exclusions()
    assert (early.version, early.members, early.data.splits) == ("1.0.0", (), {})


def test_a_damaged_manifest_is_an_error(tmp_path: Path) -> None:
    run = RunFolder.create(TINY, MANIFEST, tmp_path / "run")
    (tmp_path / "run" / "manifest.json").write_text("{")
    with pytest.raises(RunError, match=r"its manifest\.json cannot be read"):
        run.load_manifest()


def test_an_epoch_keeps_its_keys_on_disk() -> None:
    event = event_from_json({"time": 1.0, **EPOCH})
    assert isinstance(event, EpochDone)
    assert event.figures == {"validation_auroc": 0.9, "validation_accuracy": 0.8}
    assert (event.total_steps, event.device_memory_mb) == (9, None)
    assert event_to_json(event) == EPOCH
    assert list(event_to_json(event)) == list(EPOCH)


@pytest.mark.parametrize(
    "event",
    [
        PreparationProgress(stage="decoding", done=3, total=8),
        RunBegun(run="x", device="cpu", processes=1, unmatched=("a",), missing=()),
        RunResumed(step=0, damaged_checkpoints=()),
    ],
)
def test_an_event_comes_back_from_its_line(tmp_path: Path, event: object) -> None:
    run = RunFolder.create(TINY, MANIFEST, tmp_path / "run")
    run.append_event(event)  # type: ignore[arg-type]
    assert event_from_json(read_last_event(run.path)) == event
    assert (run.path / "run.log").read_text().count("\n") == 1


@pytest.mark.parametrize(
    "record", [{}, {"event": "party"}, {"event": "step"}, {**EPOCH, "step": "6"}]
)
def test_what_is_no_event_is_none(record: dict) -> None:
    assert event_from_json(record) is None
    assert len(CLASSES) == 11


def test_steps_after_a_checkpoint_are_removed_before_they_are_repeated(tmp_path: Path) -> None:
    run = RunFolder.create(TINY, MANIFEST, tmp_path / "run")
    for step in (3, 6, 9):
        run.append_event(event_from_json({**EPOCH, "step": step}))  # type: ignore[arg-type]
    run.remove_events_after(6)
    assert [event["step"] for event in run.read_events()] == [3, 6]
    assert last_checkpoint_step(run.path) is None

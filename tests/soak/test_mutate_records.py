"""A bounded run of the soak, and its shortest cases; `python -m tests.soak.mutate_records` runs it longer."""

import contextlib
import io
import json
import zipfile
from pathlib import Path
from random import Random

import pytest

from tests.soak import record_mutations as mutations
from tests.soak.mutate_records import ZIP, RecordSoak, list_targets


@pytest.mark.process
def test_mutated_records_are_read_or_refused(tmp_path: Path) -> None:
    soak = RecordSoak(5, tmp_path)
    soak.run(200, minutes=0.2)
    assert soak.tally.violations == []
    assert {outcome for _, outcome in soak.tally.outcomes} == {"refused", "used"}


def test_every_target_is_there_and_is_changed(tmp_path: Path) -> None:
    soak = RecordSoak(5, tmp_path)
    for target in list_targets():
        if target.path != ZIP:
            data = (soak.workspace / target.path).read_bytes()
            assert any(target.mutate(data, Random(seed)) != data for seed in range(4)), target.path


def test_a_case_is_the_same_each_time() -> None:
    content = json.dumps({"a": [1, {"b": None}], "c": "text"}).encode()
    for seed in range(200):
        changed = mutations.mutate_json(content, Random(seed))
        assert changed == mutations.mutate_json(content, Random(seed))


def test_a_zip_has_other_members() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("m/1/card.json", "{}")
        archive.writestr("m/1/weights.safetensors", b"x" * 100)
    names = set()
    for seed in range(100):
        changed = mutations.mutate_zip(packed.getvalue(), Random(seed))
        with (
            contextlib.suppress(zipfile.BadZipFile),
            zipfile.ZipFile(io.BytesIO(changed)) as archive,
        ):
            names |= set(archive.namelist())
    assert len(names) > 5

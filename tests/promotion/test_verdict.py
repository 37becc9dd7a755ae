"""gate.json keeps the keys of version 0.1, and a verdict of that version still holds."""

import hashlib
import json
from dataclasses import asdict

import pytest

from cxr_core.errors import RecordError
from cxr_core.evaluation.store.provenance import TestUses as Uses
from cxr_core.models.card import ModelCard
from cxr_core.models.figures import Figure
from cxr_core.promotion.candidate import compute_fingerprints
from cxr_core.promotion.gate.checks import Check
from cxr_core.promotion.gate.verdict import Fingerprints, OfficialTest, Verdict
from tests.tiny import tiny_card

AUROC = {"value": 0.9, "low": 0.8, "high": 1.0, "n": 40, "positives": 12}
OF_0_1 = {
    "schema": 1,
    "opens": True,
    "model": "tiny",
    "version": "1.0.0",
    "rival": "tiny 0.9",
    "part": "gate",
    "films": "200 films of 180 patients",
    "checks": [
        {
            "name": "AUROC",
            "finding": "pneumonia",
            "status": "pass",
            "sentence": "0.9 against 0.8 in use",
            "figures": {"difference": {"value": 0.1, "low": 0.05, "high": 0.15}, "margin": 0.02},
            "needed": True,
        }
    ],
    "official_test": {
        "findings": {"pneumonia": {"auroc": AUROC}},
        "films": 40,
        "data_sha256": "abc",
        "uses": {"evaluations": 2, "models": 1},
    },
    "limits": {"margin": 0.02, "cases": 20},
    "between": {"candidate": "a1", "rival": "b2"},
    "made": "2026-01-01T00:00:00+00:00",
}


def test_a_verdict_of_version_0_1_is_read_and_written_with_its_keys() -> None:
    verdict = Verdict.from_json(OF_0_1)
    assert verdict == Verdict(
        model="tiny",
        version="1.0.0",
        incumbent="tiny 0.9",
        split="gate",
        comparison_set="200 films of 180 patients",
        checks=(
            Check(
                name="AUROC",
                finding="pneumonia",
                status="pass",
                sentence="0.9 against 0.8 in use",
                figures={"difference": {"value": 0.1, "low": 0.05, "high": 0.15}, "margin": 0.02},
            ),
        ),
        official_test=OfficialTest(
            findings={"pneumonia": {"auroc": Figure(0.9, 0.8, 1.0, 40, 12)}},
            films=40,
            data_sha256="abc",
            uses=Uses(2, 1),
        ),
        limits={"margin": 0.02, "cases": 20},
        fingerprints=Fingerprints(candidate="a1", incumbent="b2"),
        made="2026-01-01T00:00:00+00:00",
    )
    (check,) = OF_0_1["checks"]
    assert verdict.to_json() == {
        **OF_0_1,
        "checks": [{**check, "incumbent": ""}],
        "change_plan": "",
    }
    without_test = {**OF_0_1, "official_test": {}}
    assert Verdict.from_json(without_test).to_json()["official_test"] == {}


@pytest.mark.parametrize(
    "changes",
    [{"schema": 2}, {"checks": None}, {"checks": [{"name": "AUROC"}]}, {"limits": {"a": "b"}}],
)
def test_a_damaged_verdict_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(RecordError, match=rf"{next(iter(changes))}.*(found|missing)"):
        Verdict.from_json({**OF_0_1, **changes})  # type: ignore[dict-item]


def test_a_fingerprint_is_that_of_the_keys_on_disk() -> None:
    """So a verdict of version 0.1 holds, although fields of the card have other names in Python now."""
    card = tiny_card()
    content = {
        key: value
        for key, value in asdict(card).items()
        if key not in ("metrics", "training", *ModelCard.OMITTED_WHEN_EMPTY)
    }
    # Settings of the input that earlier versions do not know are written only where they are set.
    for key in ("reduce_to", "blur"):
        assert not content["input_spec"].pop(key)
    on_disk = {ModelCard.KEYS.get(key, key): value for key, value in content.items()}
    expected = hashlib.sha256(json.dumps(on_disk, sort_keys=True).encode()).hexdigest()
    assert compute_fingerprints(card, ()) == Fingerprints(candidate=expected, incumbent="")

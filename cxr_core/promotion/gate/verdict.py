"""Reads and writes the gate's verdict on one model: its checks, and whether the gate is open."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from cxr_core.errors import RecordError, RunError
from cxr_core.evaluation.store.provenance import TestUses
from cxr_core.models.figures import Figure
from cxr_core.promotion.gate.checks import Check
from cxr_core.workspace.json_files import JsonObject, write_json
from cxr_core.workspace.json_record import Count, JsonRecord, read_record_file
from cxr_core.workspace.paths import printable

GATE_FILE = "gate.json"
SCHEMA: Literal[1] = 1


@dataclass(frozen=True, kw_only=True)
class OfficialTest(JsonRecord):
    """Figures of a model on its own test split, which the gate shows and does not decide by.

    findings: by finding, then by name.  films, data_sha256: of the test films.  uses: how often they had been used.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    findings: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)
    films: Count | None = None
    data_sha256: str | None = None
    uses: TestUses | None = None

    def to_json(self) -> JsonObject:
        """The figures as gate.json holds them; without uses an empty object stands for them."""
        return super().to_json() | {"uses": self.uses.to_json() if self.uses else {}}

    @model_validator(mode="before")
    @classmethod
    def _omit_missing_uses(cls, content: Any) -> Any:
        return omit_empty(content, "uses")


@dataclass(frozen=True, kw_only=True)
class Fingerprints(JsonRecord):
    """Hashes of the models that a verdict is about. incumbent: of several, joined by "+"; empty when there is none."""

    KEYS: ClassVar[Mapping[str, str]] = {"incumbent": "rival"}

    candidate: str
    incumbent: str


@dataclass(frozen=True, kw_only=True)
class Verdict(JsonRecord):
    """The gate's answer for one model.

    incumbent: the active models that it would replace, as "name version, name version"; empty when there are none.
    split: of the first comparison: gate (the promotion holdout), test, or empty when there were no such films.
    comparison_set: which films these are and why, in words.  official_test: of classifiers only.
    fingerprints: of all models; the verdict holds as long as they, the limits and the change plan stay the same.
    made: ISO 8601, UTC.  change_plan: the version of the plan by whose rules it judged; empty before there was one.
    validation_trials: of searches, which were compared on the run's validation films.
    """

    KEYS: ClassVar[Mapping[str, str]] = {
        "incumbent": "rival",
        "split": "part",
        "comparison_set": "films",
        "fingerprints": "between",
    }
    WRITES_DEFAULTS: ClassVar[bool] = True

    model: str
    version: str
    incumbent: str
    split: str
    comparison_set: str
    checks: tuple[Check, ...]
    official_test: OfficialTest | None = None
    limits: Mapping[str, float]
    fingerprints: Fingerprints
    made: str
    change_plan: str = ""
    validation_trials: Count = 0
    schema: Literal[1] = SCHEMA

    @property
    def is_open(self) -> bool:
        """Whether the model may be installed without a written reason."""
        return not self.refusals

    @property
    def refusals(self) -> tuple[Check, ...]:
        """The checks that close the gate."""
        return tuple(check for check in self.checks if check.refuses)

    @property
    def undecided(self) -> tuple[Check, ...]:
        """The checks for which there were not enough cases. None of them is a pass."""
        return tuple(check for check in self.checks if check.status == "not enough cases")

    @property
    def in_words(self) -> str:
        """The answer in one or two sentences."""
        model = f"{self.model} {self.version}"
        comparison = "with no model in use to compare it with"
        if self.incumbent:
            comparison = f"compared with {self.incumbent}"
        if not self.is_open:
            reasons = " ".join(f"{check.full_name}: {check.sentence}" for check in self.refusals)
            return f"The gate is closed for {model}, {comparison}: {reasons}"
        answer = f"The gate is open for {model}, {comparison}."
        if not self.undecided:
            return answer
        names = ", ".join(check.full_name for check in self.undecided)
        return f"{answer} Not enough cases to decide: {names}."

    @property
    def rules_in_words(self) -> str:
        """By which rules it judged; empty for a verdict from before there was a change plan."""
        if not self.change_plan:
            return ""
        return f"Judged by version {self.change_plan} of the change plan."

    def to_json(self) -> JsonObject:
        """The verdict as gate.json holds it; an empty object stands for no official test."""
        content = super().to_json()
        content["official_test"] = content["official_test"] or {}
        if not self.validation_trials:
            del content["validation_trials"]
        return {"schema": content.pop("schema"), "opens": self.is_open, **content}

    @model_validator(mode="before")
    @classmethod
    def _omit_missing_test(cls, content: Any) -> Any:
        return omit_empty(content, "official_test")


def omit_empty(content: Any, key: str) -> Any:
    """An object without one of its keys, where an empty object stands for nothing."""
    if not isinstance(content, dict) or content.get(key) != {}:
        return content
    return {name: value for name, value in content.items() if name != key}


def read_verdict(folder: Path) -> Verdict | None:
    """The last verdict, kept in the folder of a run or of an installed model.

    None when the gate was never asked, and when its answer is damaged or of another version: it is asked again.
    """
    try:
        return read_record_file(folder / GATE_FILE, Verdict)
    except (OSError, RecordError):
        return None


def describe_damage(folder: Path) -> str:
    """That the verdict in a folder is damaged, with the file's name; empty when it is sound, and when there is none."""
    path = folder / GATE_FILE
    if not os.path.lexists(path) or read_verdict(folder) is not None:
        return ""
    return f"{printable(path)} is damaged, or of another version of the program; run the gate again"


def write_verdict(path: Path, record: JsonObject) -> None:
    """Write gate.json in one step. Raises RunError when that cannot be done."""
    try:
        write_json(path, record)
    except OSError as error:
        raise RunError(
            f"the gate's verdict cannot be written to {path}: {error.strerror}; free space, or repair the disk"
        ) from error

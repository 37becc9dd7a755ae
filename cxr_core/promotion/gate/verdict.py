"""What the gate found: named checks, each with its figures and a sentence, and whether a model may replace another."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Status = Literal["pass", "fail", "not enough cases", "not applicable"]
GATE_FILE, SCHEMA = "gate.json", 1


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that the gate asks. finding: empty when it is about the whole model.

    needed: whether it must pass; one that is not needed keeps the gate shut by failing alone.
    """

    name: str
    finding: str = ""
    status: Status
    sentence: str
    figures: Mapping[str, Any] = field(default_factory=dict)
    needed: bool = True

    @property
    def refuses(self) -> bool:
        """Whether it keeps the gate shut: not enough cases are no pass."""
        return self.status == "fail" or (self.needed and self.status == "not enough cases")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The gate's answer for one model. rival: the one in use, as "name version"; empty when there is none.

    films: which films were compared on and why those, in words.  part: gate, test, or empty when there were none.
    official_test: figures of the model on its test part, and how often those films have been looked at.
    between: hashes of both models, by which it is told whether the verdict still stands.  made: ISO 8601, UTC.
    """

    model: str
    version: str
    rival: str
    part: str
    films: str
    checks: tuple[Check, ...]
    official_test: Mapping[str, Any]
    limits: Mapping[str, float]
    between: Mapping[str, str]
    made: str

    @property
    def opens(self) -> bool:
        """Whether the model may be installed without an override."""
        return not self.refusals

    @property
    def refusals(self) -> tuple[Check, ...]:
        """The checks that keep the gate shut."""
        return tuple(check for check in self.checks if check.refuses)

    @property
    def unknown(self) -> tuple[Check, ...]:
        """The checks for which there were not enough cases; none of them is a pass."""
        return tuple(check for check in self.checks if check.status == "not enough cases")

    @property
    def in_words(self) -> str:
        """The answer in a sentence or two."""
        against = f"beside {self.rival}" if self.rival else "with none of its name installed"
        if not self.opens:
            return f"The gate is shut for {self.model} {self.version}, {against}: {_listed(self.refusals)}"
        unknown = (
            f" Not enough cases to tell: {', '.join(name_of(check) for check in self.unknown)}."
        )
        return f"The gate is open for {self.model} {self.version}, {against}.{unknown if self.unknown else ''}"

    def to_json(self) -> dict[str, Any]:
        """gate.json as a value."""
        return {"schema": SCHEMA, "opens": self.opens, **asdict(self)}

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> "Verdict":
        """What `as_json` gave. Raises ValueError or TypeError for anything else."""
        if table.get("schema") != SCHEMA:
            raise ValueError(f"a verdict of schema {table.get('schema')}")
        known = {
            key: value
            for key, value in table.items()
            if key not in ("schema", "opens", "checks", "published")
        }
        return cls(checks=tuple(Check(**check) for check in table["checks"]), **known)


def read_verdict(folder: Path) -> Verdict | None:
    """The gate's last word, kept in a run's or an installed model's folder; None when it was never asked."""
    try:
        return Verdict.from_json(json.loads((folder / GATE_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def name_of(check: Check) -> str:
    """`AUROC of pneumonia`: a check's name with its finding."""
    return f"{check.name} of {check.finding}" if check.finding else check.name


def _listed(checks: tuple[Check, ...]) -> str:
    return " ".join(f"{name_of(check)}: {check.sentence}" for check in checks)

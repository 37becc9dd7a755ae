"""Reads and writes the gate's verdict on one model: its checks, and whether the gate is open."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cxr_core.errors import RunError
from cxr_core.evaluation.store.provenance import TestUses
from cxr_core.models.figures import Figure
from cxr_core.promotion.gate.checks import Check
from cxr_core.workspace.json_files import Json, JsonObject, read_json_object, write_json

GATE_FILE, SCHEMA = "gate.json", 1


@dataclass(frozen=True, kw_only=True)
class OfficialTest:
    """Figures of a model on its own test split, which the gate shows and does not decide by.

    findings: by finding, then by name.  films, data_sha256: of the test films.  uses: how often they had been used.
    """

    findings: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)
    films: int | None = None
    data_sha256: str | None = None
    uses: TestUses | None = None

    def to_json(self) -> JsonObject:
        """The figures as gate.json holds them."""
        findings: JsonObject = {}
        for key, figures in self.findings.items():
            findings[key] = {name: figure.to_json() for name, figure in figures.items()}
        uses: JsonObject = {}
        if self.uses is not None:
            uses = {"evaluations": self.uses.evaluations, "models": self.uses.models}
        return {
            "findings": findings,
            "films": self.films,
            "data_sha256": self.data_sha256,
            "uses": uses,
        }

    @classmethod
    def from_json(cls, record: JsonObject) -> "OfficialTest":
        """The figures in a JSON object; what is missing is empty. Raises KeyError or TypeError for a damaged figure."""
        findings: dict[str, Mapping[str, Figure]] = {}
        for key, figures in _read_object(record, "findings").items():
            if isinstance(figures, dict):
                findings[key] = {name: Figure.from_json(figure) for name, figure in figures.items()}
        films, data_sha256 = record.get("films"), record.get("data_sha256")
        return cls(
            findings=findings,
            films=films if isinstance(films, int) else None,
            data_sha256=data_sha256 if isinstance(data_sha256, str) else None,
            uses=_read_uses(_read_object(record, "uses")),
        )


@dataclass(frozen=True, kw_only=True)
class Fingerprints:
    """Hashes of the two models that a verdict is about. incumbent: empty when there is none."""

    candidate: str
    incumbent: str

    def to_json(self) -> JsonObject:
        """The hashes as gate.json holds them."""
        return {"candidate": self.candidate, "rival": self.incumbent}

    @classmethod
    def from_json(cls, record: JsonObject) -> "Fingerprints":
        """The hashes in a JSON object. Raises KeyError when one is missing."""
        return cls(candidate=str(record["candidate"]), incumbent=str(record["rival"]))


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The gate's answer for one model.

    incumbent: the active version that it would replace, as "name version"; empty when there is none.
    split: on which both were compared: gate (the promotion holdout), test, or empty when there were no such films.
    comparison_set: which films these are and why, in words.  official_test: of classifiers only.
    fingerprints: of both models; the verdict holds as long as they and the limits stay the same.
    made: ISO 8601, UTC.
    """

    model: str
    version: str
    incumbent: str
    split: str
    comparison_set: str
    checks: tuple[Check, ...]
    official_test: OfficialTest | None
    limits: Mapping[str, float]
    fingerprints: Fingerprints
    made: str

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
        comparison = "with none of its name installed"
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

    def to_json(self) -> JsonObject:
        """The verdict as gate.json holds it."""
        return {
            "schema": SCHEMA,
            "opens": self.is_open,
            "model": self.model,
            "version": self.version,
            "rival": self.incumbent,
            "part": self.split,
            "films": self.comparison_set,
            "checks": [check.to_json() for check in self.checks],
            "official_test": self.official_test.to_json() if self.official_test else {},
            "limits": dict(self.limits),
            "between": self.fingerprints.to_json(),
            "made": self.made,
        }

    @classmethod
    def from_json(cls, record: JsonObject) -> "Verdict":
        """The verdict in a JSON object. Raises KeyError, TypeError or ValueError for anything else."""
        if record.get("schema") != SCHEMA:
            raise ValueError(f"found a verdict of schema {record.get('schema')}, expected {SCHEMA}")
        checks = record["checks"]
        if not isinstance(checks, list):
            raise TypeError("a verdict without a list of checks")
        limits, official_test = (
            _read_object(record, "limits"),
            _read_object(record, "official_test"),
        )
        return cls(
            model=str(record["model"]),
            version=str(record["version"]),
            incumbent=str(record["rival"]),
            split=str(record["part"]),
            comparison_set=str(record["films"]),
            checks=tuple(map(Check.from_json, checks)),
            official_test=OfficialTest.from_json(official_test) if official_test else None,
            limits={name: _read_limit(value) for name, value in limits.items()},
            fingerprints=Fingerprints.from_json(_read_object(record, "between")),
            made=str(record["made"]),
        )


def read_verdict(folder: Path) -> Verdict | None:
    """The last verdict, kept in the folder of a run or of an installed model; None when the gate was never asked."""
    record = read_json_object(folder / GATE_FILE)
    if record is None:
        return None
    try:
        return Verdict.from_json(record)
    except (KeyError, TypeError, ValueError):
        return None


def write_verdict(path: Path, record: JsonObject) -> None:
    """Write gate.json in one step. Raises RunError when that cannot be done."""
    try:
        write_json(path, record)
    except OSError as error:
        raise RunError(
            f"the gate's verdict cannot be written to {path}: {error.strerror}; free space, or repair the disk"
        ) from error


def _read_object(record: JsonObject, key: str) -> JsonObject:
    value: Json = record.get(key)
    return value if isinstance(value, dict) else {}


def _read_limit(value: Json) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"found the limit {value!r}")
    return value


def _read_uses(record: JsonObject) -> TestUses | None:
    evaluations, models = record.get("evaluations"), record.get("models")
    if not isinstance(evaluations, int) or not isinstance(models, int):
        return None
    return TestUses(evaluations, models)

"""The manifest of a run: the data it was given, how it was split, what it started from and what it left out.

manifest.json keeps the keys of version 0.1; the names here are the field's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cxr_core.data.manifest import SplitCounts
from cxr_core.data.splits.holdout import HASH_KEY
from cxr_core.workspace.json_files import Json, JsonObject


@dataclass(frozen=True, kw_only=True)
class DataDescription:
    """Identity and size of the films that a run trains on. kind: layouts of the data, joined by +."""

    kind: str = ""
    data_sha256: str = ""
    split_sha256: str = ""
    splits: Mapping[str, SplitCounts] = field(default_factory=dict)

    def to_json(self) -> JsonObject:
        """The object as manifest.json holds it."""
        return {
            "kind": self.kind,
            "data_sha256": self.data_sha256,
            "split_sha256": self.split_sha256,
            "parts": {name: counts.to_json() for name, counts in self.splits.items()},
        }

    @classmethod
    def from_json(cls, content: JsonObject) -> "DataDescription":
        """What a JSON object holds; missing values are empty."""
        splits = _as_object(content.get("parts"))
        return cls(
            kind=_as_text(content.get("kind")),
            data_sha256=_as_text(content.get("data_sha256")),
            split_sha256=_as_text(content.get("split_sha256")),
            splits={name: _parse_counts(counts) for name, counts in splits.items()},
        )


@dataclass(frozen=True, kw_only=True)
class HoldoutExclusion:
    """The promotion holdout of a run.

    share: patients that neither this model nor the one it started from was trained on.  carved: share that this run
    held out.  rule: how patients were chosen.
    """

    rule: str
    share: float
    carved: float
    films: int
    patients: int
    split_sha256: str

    def to_json(self) -> JsonObject:
        """The object as manifest.json holds it."""
        return {
            "rule": self.rule,
            "share": self.share,
            "carved": self.carved,
            "films": self.films,
            "patients": self.patients,
            "split_sha256": self.split_sha256,
        }

    @classmethod
    def from_json(cls, content: JsonObject) -> "HoldoutExclusion":
        """What a JSON object holds; missing values are empty."""
        return cls(
            rule=_as_text(content.get("rule")),
            share=_as_float(content.get("share")),
            carved=_as_float(content.get("carved")),
            films=_as_int(content.get("films")),
            patients=_as_int(content.get("patients")),
            split_sha256=_as_text(content.get("split_sha256")),
        )


@dataclass(frozen=True, kw_only=True)
class Exclusions:
    """The films that a model, and the model that it started from, were never trained on.

    official_test: whether the data's own test split was left alone.  kinds: layouts of all data trained on; another
    layout may give the same patients other numbers.  A card without this record promises nothing.
    """

    official_test: bool = False
    kinds: frozenset[str] = frozenset()
    holdout: HoldoutExclusion | None = None

    @property
    def holdout_share(self) -> float:
        """Share of patients held out by today's rule; 0 = none."""
        if self.holdout is None or self.holdout.rule != HASH_KEY:
            return 0.0
        return self.holdout.share

    @property
    def carved_share(self) -> float:
        """Share of patients that the run itself held out, by whatever rule; 0 = none."""
        return self.holdout.carved if self.holdout else 0.0

    def covers_holdout(self, share: float, kinds: frozenset[str]) -> bool:
        """Whether the model was trained on no patient of a holdout of this share, in data of these layouts."""
        return 0 < share <= self.holdout_share and self.kinds <= kinds

    def to_json(self) -> JsonObject:
        """The object as manifest.json holds it."""
        return {
            "official_test": self.official_test,
            "kinds": [*sorted(self.kinds)],
            "gate": self.holdout.to_json() if self.holdout else None,
        }

    @classmethod
    def from_json(cls, content: Json) -> "Exclusions":
        """What a JSON object holds; missing values are empty."""
        record = _as_object(content)
        holdout = _as_object(record.get("gate"))
        return cls(
            official_test=bool(record.get("official_test")),
            kinds=frozenset(_as_texts(record.get("kinds"))),
            holdout=HoldoutExclusion.from_json(holdout) if holdout else None,
        )

    @classmethod
    def from_training(cls, training: Mapping[str, Json]) -> "Exclusions":
        """As the `training` record of a model card tells them."""
        data = _as_object(training.get("data"))
        exclusions = cls.from_json(data.get("left_aside"))
        return cls(
            official_test=exclusions.official_test,
            kinds=exclusions.kinds or split_kinds(_as_text(data.get("kind"))),
            holdout=exclusions.holdout,
        )


@dataclass(frozen=True, kw_only=True)
class RunManifest:
    """What a run was given, apart from its recipe.

    folders: absolute paths of the datasets.  version: of the model.  retry_of: the run whose recipe this one changed.
    initial_weights: where they came from, with hashes.  segmenter: the model that outlined the films of a recipe with
    region_weight.  members: the models of an ensemble.
    """

    data: DataDescription = field(default_factory=DataDescription)
    folders: tuple[str, ...] = ()
    version: str = "1.0.0"
    retry_of: str = ""
    initial_weights: str = ""
    exclusions: Exclusions = field(default_factory=Exclusions)
    segmenter: str = ""
    members: tuple[str, ...] = ()

    def to_json(self) -> JsonObject:
        """The object as manifest.json holds it."""
        record: JsonObject = {
            **self.data.to_json(),
            "folders": list(self.folders),
            "version": self.version,
        }
        if self.retry_of:
            record["retry_of"] = self.retry_of
        record["began_from"] = self.initial_weights
        record["left_aside"] = self.exclusions.to_json()
        if self.segmenter:
            record["regions_from"] = self.segmenter
        if self.members:
            record["averaged"] = list(self.members)
        return record

    @classmethod
    def from_json(cls, content: JsonObject) -> "RunManifest":
        """The manifest that a file holds; what it does not say is empty, as in runs of earlier versions."""
        return cls(
            data=DataDescription.from_json(content),
            folders=_as_texts(content.get("folders")),
            version=_as_text(content.get("version")) or "1.0.0",
            retry_of=_as_text(content.get("retry_of")),
            initial_weights=_as_text(content.get("began_from")),
            exclusions=Exclusions.from_json(content.get("left_aside")),
            segmenter=_as_text(content.get("regions_from")),
            members=_as_texts(content.get("averaged")),
        )

    def training_data(self) -> JsonObject:
        """The `training.data` of the model's card."""
        elsewhere = ("folders", "version", "began_from")  # own fields of the card, or private paths
        return {key: value for key, value in self.to_json().items() if key not in elsewhere}


def split_kinds(kind: str) -> frozenset[str]:
    """The layouts of data that was read from several folders."""
    return frozenset(filter(None, kind.split("+")))


def _parse_counts(content: Json) -> SplitCounts:
    record = _as_object(content)
    positives = _as_object(record.get("positives"))
    return SplitCounts(
        films=_as_int(record.get("films")),
        patients=_as_int(record.get("patients")),
        positives={key: _as_int(count) for key, count in positives.items()},
    )


def _as_object(content: Json) -> JsonObject:
    return content if isinstance(content, dict) else {}


def _as_text(content: Json) -> str:
    return content if isinstance(content, str) else ""


def _as_texts(content: Json) -> tuple[str, ...]:
    return tuple(map(str, content)) if isinstance(content, list) else ()


def _as_int(content: Json) -> int:
    return content if isinstance(content, int) else 0


def _as_float(content: Json) -> float:
    return float(content) if isinstance(content, int | float) else 0.0

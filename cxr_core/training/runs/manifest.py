"""The manifest of a run: the data it was given, how it was split, what it started from and what it left out.

manifest.json keeps the keys of version 0.1; the names here are the field's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pydantic import model_validator

from cxr_core.data.manifest import AppliedLayer, SplitCounts
from cxr_core.data.splits.holdout import HASH_KEY
from cxr_core.errors import RecordError
from cxr_core.known_findings import LocalFinding
from cxr_core.workspace.json_files import Json, JsonObject
from cxr_core.workspace.json_record import Count, Fraction, JsonRecord, PathText


@dataclass(frozen=True, kw_only=True)
class DataDescription(JsonRecord):
    """Identity and size of the films that a run trains on. kind: layouts of the data, joined by +."""

    KEYS: ClassVar[Mapping[str, str]] = {"splits": "parts"}
    WRITES_DEFAULTS: ClassVar[bool] = True

    kind: str = ""
    data_sha256: str = ""
    split_sha256: str = ""
    splits: Mapping[str, SplitCounts] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class HoldoutExclusion(JsonRecord):
    """The promotion holdout of a run.

    share: patients that neither this model nor the one it started from was trained on.  carved: share that this run
    held out.  rule: how patients were chosen.
    """

    WRITES_DEFAULTS: ClassVar[bool] = True

    rule: str = ""
    share: Fraction = 0.0
    carved: Fraction = 0.0
    films: Count = 0
    patients: Count = 0
    split_sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Exclusions(JsonRecord):
    """The films that a model, and the model that it started from, were never trained on.

    official_test: whether the data's own test split was left alone.  kinds: layouts of all data trained on; another
    layout may give the same patients other numbers.  A card without this record promises nothing.
    """

    KEYS: ClassVar[Mapping[str, str]] = {"holdout": "gate"}
    WRITES_DEFAULTS: ClassVar[bool] = True

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

    @classmethod
    def from_training(cls, training: Mapping[str, Json]) -> "Exclusions":
        """As the `training` record of a model card tells them; a damaged record promises nothing."""
        data = training.get("data")
        if not isinstance(data, dict):
            return cls()
        kind = data.get("kind")
        try:
            exclusions = cls.from_json(data.get("left_aside") or {})
        except RecordError:
            return cls()
        kinds = exclusions.kinds or split_kinds(kind if isinstance(kind, str) else "")
        return replace(exclusions, kinds=kinds)


@dataclass(frozen=True, kw_only=True)
class RunManifest(JsonRecord):
    """What a run was given, apart from its recipe.

    folders: absolute paths of the datasets.  version: of the model.  retry_of: the run whose recipe this one changed.
    initial_weights: where they came from, with hashes.  segmenter: the model that outlined the films of a recipe with
    region_weight.  members: the models of an ensemble.  refitted: the model whose weights this one has, where only the
    settings of the input differ.  code: the sha256 of each file of the user's own.
    local_findings: the definitions of findings that do not ship.  label_layers: the readers' labels that it trains on.
    validation_trials: of searches before it, which were compared on its validation films.
    """

    KEYS: ClassVar[Mapping[str, str]] = {
        "initial_weights": "began_from",
        "exclusions": "left_aside",
        "segmenter": "regions_from",
        "members": "averaged",
    }

    data: DataDescription = field(default_factory=DataDescription)
    folders: tuple[PathText, ...] = ()
    version: str = "1.0.0"
    retry_of: str = ""
    initial_weights: PathText = ""
    exclusions: Exclusions = field(default_factory=Exclusions)
    segmenter: str = ""
    members: tuple[PathText, ...] = ()
    refitted: PathText = ""
    code: dict[str, str] = field(default_factory=dict)
    local_findings: tuple[LocalFinding, ...] = ()
    label_layers: tuple[AppliedLayer, ...] = ()
    validation_trials: Count = 0

    def to_json(self) -> JsonObject:
        """The object as manifest.json holds it."""
        always: JsonObject = {
            **self.data.to_json(),
            "folders": list(self.folders),
            "version": self.version,
            "began_from": self.initial_weights,
            "left_aside": self.exclusions.to_json(),
        }
        others = {key: value for key, value in super().to_json().items() if key != "data"}
        return always | others

    @model_validator(mode="before")
    @classmethod
    def _gather_data(cls, content: Any) -> Any:
        return {**content, "data": content} if isinstance(content, dict) else content

    def training_data(self) -> JsonObject:
        """The `training.data` of the model's card."""
        elsewhere = (
            "folders",
            "version",
            "began_from",
            "local_findings",
        )  # own fields of the card, or private paths
        return {key: value for key, value in self.to_json().items() if key not in elsewhere}


def split_kinds(kind: str) -> frozenset[str]:
    """The layouts of data that was read from several folders."""
    return frozenset(filter(None, kind.split("+")))

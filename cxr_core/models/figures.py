"""Figures of a model as its card and an evaluation's metrics.json record them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import AfterValidator

from cxr_core.errors import RecordError
from cxr_core.workspace.json_files import Json, JsonObject
from cxr_core.workspace.json_record import Count, JsonRecord

DIGITS = 6  # of every recorded figure
AnyFigure = TypeVar("AnyFigure", bound="MeanFigure")


class RoundedRecord(JsonRecord):
    """A record whose numbers are kept with six decimals."""

    def to_json(self) -> JsonObject:
        """The object as it is kept on disk."""
        return {
            key: round(entry, DIGITS) if isinstance(entry, float) else entry
            for key, entry in super().to_json().items()
        }


@dataclass(frozen=True)
class MeanFigure(RoundedRecord):
    """A mean over films with its 95 % interval over patients. None = undefined. n: films that it is taken over."""

    value: float | None
    low: float | None
    high: float | None
    n: Count

    def rounded(self) -> Self:
        """The figure as it is recorded: with six decimals."""
        return replace(
            self, value=_rounded(self.value), low=_rounded(self.low), high=_rounded(self.high)
        )


@dataclass(frozen=True)
class Figure(MeanFigure):
    """A figure over films with and without a finding, and its 95 % interval over patients. None = undefined."""

    positives: Count


@dataclass(frozen=True, kw_only=True)
class PointingGame(JsonRecord):
    """How often a heatmap's maximum lies in a box, beside three controls, and the paired differences to them.

    tolerance_px: by how much the boxes are widened, in pixels of a 1,024-pixel image.
    """

    tolerance_px: int
    hit: MeanFigure
    random: MeanFigure
    centre: MeanFigure
    average_box: MeanFigure
    minus_random: MeanFigure
    minus_centre: MeanFigure
    minus_average_box: MeanFigure


@dataclass(frozen=True, kw_only=True)
class EvidenceInBoxes(JsonRecord):
    """Share of a heatmap's positive evidence that lies in the boxes, on the films that have any.

    area: share of a uniform map.  lift: mean share over mean area.
    """

    share: MeanFigure
    area: MeanFigure
    average_box: MeanFigure
    minus_area: MeanFigure
    minus_average_box: MeanFigure
    lift: MeanFigure


@dataclass(frozen=True, kw_only=True)
class BoxOverlap(JsonRecord):
    """Overlap of the boxes with a heatmap cut at one level.

    above, of: the level, as a fraction of the model's evidence "scale" or of the map's own "maximum".
    """

    above: float
    of: str
    iou: MeanFigure
    iobb: MeanFigure
    average_box_iou: MeanFigure
    minus_average_box_iou: MeanFigure


@dataclass(frozen=True, kw_only=True)
class MethodFigures(JsonRecord):
    """Another heatmap method on the same films, without tolerance and cut at half of each map's maximum."""

    name: str
    hit: MeanFigure
    minus_centre: MeanFigure
    minus_average_box: MeanFigure
    minus_exact: MeanFigure
    share: MeanFigure
    iou: MeanFigure
    lift: MeanFigure


@dataclass(frozen=True)
class StageSimilarity(MeanFigure):
    """Rank correlation with the maps of networks that are random up to one stage.

    lowest, highest: the mean of a single random network.
    """

    KEYS: ClassVar[Mapping[str, str]] = {"lowest": "least", "highest": "most"}

    lowest: float | None
    highest: float | None


@dataclass(frozen=True, kw_only=True)
class Randomisation(JsonRecord):
    """How similar a heatmap stays when learnt weights are replaced by random ones.

    similarity_limit: rank correlation from which two maps count as the same.  networks: random ones per stage.
    """

    KEYS: ClassVar[Mapping[str, str]] = {"similarity_limit": "alike_from", "networks": "draws"}
    SPREAD: ClassVar[str] = "stages"

    similarity_limit: float
    networks: int
    stages: Mapping[str, StageSimilarity]
    films: int
    verdict: str


@dataclass(frozen=True, kw_only=True)
class Localisation(JsonRecord):
    """Where a model's heatmaps of one finding point, against boxes that readers drew.

    not_labelled: films with a box that are not labelled present, and so not measured.  cells: of a map, rows and
    columns.  method: the exact map's name.  scale: evidence in logits that is drawn in full colour.
    training_boxes: boxes that the average box is taken from; 0 = those of the other patients measured.
    verdict: against each control.  methods: other heatmap methods, by key.
    """

    KEYS: ClassVar[Mapping[str, str]] = {
        "not_labelled": "boxed_but_not_labelled",
        "training_boxes": "average_box_from_training",
    }

    films: int
    boxes: int
    patients: int
    not_labelled: int
    cells: tuple[int, int]
    method: str
    scale: float
    training_boxes: int
    without_evidence: int
    pointing: tuple[PointingGame, ...]
    inside: EvidenceInBoxes
    overlap: tuple[BoxOverlap, ...]
    verdict: Mapping[str, str]
    methods: Mapping[str, MethodFigures] = field(default_factory=dict)
    randomisation: Randomisation | None = None


@dataclass(frozen=True, kw_only=True)
class ModelVersion(JsonRecord):
    """One version of a model, such as anatomy 1.1.0."""

    model: str
    version: str


@dataclass(frozen=True, kw_only=True)
class RegionShare(JsonRecord):
    """Share of a heatmap's positive evidence inside a region; control: the region's area; difference: paired."""

    share: MeanFigure
    control: MeanFigure
    difference: MeanFigure


@dataclass(frozen=True, kw_only=True)
class AttributionInside(JsonRecord):
    """How much of a heatmap's positive evidence lies inside the segmented chest, and inside the heart.

    segmenter: what segmented the films.  not_segmented, without_evidence: films left out.
    regions: over all films.  present: over those labelled present.
    """

    KEYS: ClassVar[Mapping[str, str]] = {
        "segmenter": "outlines",
        "not_segmented": "without_outlines",
    }
    SPREAD: ClassVar[str] = "regions"

    segmenter: ModelVersion
    films: int
    not_segmented: int
    without_evidence: int
    regions: Mapping[str, RegionShare]
    present: Mapping[str, RegionShare]


def require_figures(table: JsonObject, place: str = "") -> None:
    """Raises RecordError for a figure that is none, wherever it stands: every object with the key "value" is one."""
    for key, entry in table.items():
        if not isinstance(entry, dict):
            continue
        if "value" not in entry:
            require_figures(entry, f"{place}{key}.")
            continue
        try:
            (Figure if "positives" in entry else MeanFigure).from_json(entry)
        except RecordError as error:
            raise RecordError(f"{place}{key}.{error}") from error


def _check_metrics(metrics: dict[str, Any]) -> dict[str, Any]:
    """The `metrics` of a card as they are: an object for each split, with figures in it at any depth."""
    for split, table in metrics.items():
        if not isinstance(table, dict):
            raise RecordError(f"metrics.{split}: found {table!r:.60}, expected an object")
    require_figures(metrics, "metrics.")
    return metrics


CardMetrics = Annotated[dict[str, Any], AfterValidator(_check_metrics)]


def recorded_figure(metrics: JsonObject, split: str, finding: str, name: str) -> Figure | None:
    """A figure of a finding that a card records for a split, such as "auroc" on "validation"; None without one."""
    return parse_figure(_recorded_figures(metrics, split, finding).get(name))


def parse_figure(record: Json) -> Figure | None:
    """A figure in a card; None where there is none, or one that is not over films with and without a finding."""
    return _parse(Figure, record)


def parse_mean_figure(record: Json) -> MeanFigure | None:
    """A mean over films in a card; None where there is none."""
    return _parse(MeanFigure, record)


def _parse(kind: type[AnyFigure], record: Json) -> AnyFigure | None:
    try:
        return kind.from_json(record)
    except RecordError:
        return None


def recorded_localisation(metrics: JsonObject, finding: str) -> Localisation | None:
    """Where a card says that a finding's heatmaps point: of several comparisons that with the most films."""
    records = [_recorded_figures(metrics, split, finding).get("localisation") for split in metrics]
    found = [Localisation.from_json(record) for record in records if record]
    return max(found, key=lambda one: one.films, default=None)


def _recorded_figures(metrics: JsonObject, split: str, finding: str) -> JsonObject:
    of_split = metrics.get(split)
    figures = of_split.get(finding) if isinstance(of_split, dict) else None
    return figures if isinstance(figures, dict) else {}


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, DIGITS)

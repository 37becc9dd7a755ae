"""A reader without networks, for tests of pages: its answers follow from the bytes it is given."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import cv2
import numpy as np

from cxr_core.errors import ReadingError
from cxr_core.film.adjustments import UNCHANGED, Adjustments, adjust_film
from cxr_core.film.phantom.phantom import is_phantom_png
from cxr_core.film.preprocess import Aspect, InputSpec, Placement
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.card import (
    OPERATING_POINTS,
    Calibration,
    ModelCard,
    OperatingPoint,
    Population,
)
from cxr_core.reading.cardiothoracic.contours import SegmentationResult
from cxr_core.reading.results import Attribution, Examination, ModelOutput

CELLS = 7
THRESHOLDS = {"youden": 0.4, "sensitivity_95": 0.1, "specificity_95": 0.8}


def card(model: str, finding: str, population: Population, aspect: Aspect = "stretch") -> ModelCard:
    """A card for one finding, complete enough for every widget."""
    figure = {"value": 0.91, "low": 0.88, "high": 0.94, "n": 1306, "positives": 58}
    undefined = {**figure, "value": None, "low": None, "high": None}
    return ModelCard(
        model=model,
        version="1.0.0",
        findings=(finding,),
        architecture="fake",
        arguments={},
        input_spec=InputSpec(side=224, aspect=aspect),
        population=population,
        calibration={finding: Calibration(source="Platt scaling on 800 validation films")},
        operating_points={
            finding: tuple(
                OperatingPoint(name=n, threshold=THRESHOLDS[n], source="800 films")
                for n in OPERATING_POINTS
            )
        },
        evidence_scale={finding: 0.5},
        training={
            "summary": "No network at all.",
            "data": {"parts": {"train": {"films": 11000, "patients": 9000}}},
        },
        metrics={
            "test": {
                finding: {
                    "auroc": figure,
                    "specificity": figure,
                    "youden": {"sensitivity": undefined},
                }
            }
        },
        weights_sha256="0" * 64,
    )


ADULTS = card("heart-adults", "cardiomegaly", Population(text="adults", age_min=18))
CHILDREN = card(
    "lung-children",
    "pneumonia",
    Population(text="children aged 1 to 5", age_min=1, age_max=5),
    "crop",
)


class FakeReader:
    """Reads whatever OpenCV decodes; the film's grey decides every probability.

    segmentations: by the SHA-256 of a file, that of heart and lungs; other films have none.
    """

    def __init__(
        self,
        cards: tuple[ModelCard, ...] = (ADULTS, CHILDREN),
        fails: bool = False,
        segmentations: Mapping[str, SegmentationResult] | None = None,
    ):
        self.cards = cards
        self.left_out: tuple[QualityFlag, ...] = ()
        self.fails = fails
        self.segmentations = segmentations or {}
        self.examined = self.decoded = 0

    def warm(self) -> None:
        """Nothing to load."""

    def examine(self, data: bytes, adjustments: Adjustments = UNCHANGED) -> Examination:
        self.examined += 1
        if self.fails:
            raise ReadingError("heart-adults 1.0.0 gave [nan] instead of finite logits")
        sha256 = hashlib.sha256(data).hexdigest()
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) if data else None
        if grey is None:
            refusal = QualityFlag(
                "undecodable", "This file is no PNG, JPEG or DICOM image.", withholds_reading=True
            )
            return Examination(
                sha256=sha256, film=None, concerns=(refusal,), outputs=(), seconds=0.01
            )
        film = adjust_film(Radiograph(pixels=grey.astype(np.float32) / 255), adjustments)
        drawing = QualityFlag(
            "drawing", "This is a synthetic film made by the program, not a film of a patient."
        )
        outputs = tuple(self._output(model, film) for model in self.cards)
        concerns = (drawing,) if is_phantom_png(data) else ()
        return Examination(
            sha256=sha256,
            film=film,
            concerns=concerns,
            outputs=outputs,
            seconds=0.2,
            segmentation=self.segmentations.get(sha256),
            adjustments=adjustments,
        )

    def decode(self, data: bytes, adjustments: Adjustments = UNCHANGED) -> Radiograph:
        """The film alone; counts for nothing in `examined`."""
        self.decoded += 1
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        return adjust_film(Radiograph(pixels=grey.astype(np.float32) / 255), adjustments)

    def examine_many(self, files: Iterable[bytes]) -> Iterator[Examination]:
        return map(self.examine, files)

    def explain(self, output: ModelOutput, finding: str, method: str) -> Attribution:
        exact = output.attributions[finding]
        cells = np.abs(exact.cells) / np.abs(exact.cells).max()
        return replace(exact, method=method, unit="relative", cells=cells, scale=1.0)

    def _output(self, model: ModelCard, film: Radiograph) -> ModelOutput:
        """The brighter the film's lower right quarter, the more of every finding; evidence lies there."""
        height, width = film.shape
        brightness = float(film.pixels[height // 2 :, width // 2 :].mean())
        probability = float(np.clip(2 * brightness - 0.3, 0.001, 0.999))
        logit = float(np.log(probability / (1 - probability)))
        cells = np.full((CELLS, CELLS), -0.02, np.float32)
        cells[4:6, 3:6] = probability * np.array([[0.3, 0.6, 0.3], [0.2, 0.4, 0.2]], np.float32)
        placement = Placement.fit(film.shape, model.input_spec)
        attributions = {
            finding: Attribution(
                finding=finding,
                method="evidence",
                unit="logit",
                cells=cells,
                scale=0.5,
                placement=placement,
            )
            for finding in model.findings
        }
        return ModelOutput(
            card=model,
            logits=np.full(len(model.findings), logit),
            probabilities=np.full(len(model.findings), probability),
            attributions=attributions,
            features=np.zeros((4, CELLS, CELLS), np.float32),
            ood_score=0.5,
        )

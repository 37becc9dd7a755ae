"""Examines films: decode, inspect, run every installed model. The whole reading flow in one place."""

import hashlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from cxr_core.errors import FilmRefused, ModelError, ReadingError
from cxr_core.film.adjustments import UNCHANGED, Adjustments, adjust_film
from cxr_core.film.decoding.sandbox import DecodePool
from cxr_core.film.phantom.phantom import SAMPLES, draw_phantom, encode_png, is_phantom_png
from cxr_core.film.quality import find_quality_flags
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.card import ModelCard
from cxr_core.models.exported.backend import TORCH, BackendChoice, backend_setting
from cxr_core.models.registry.model_status import describe_status
from cxr_core.models.registry.overlap import is_copy_of_other
from cxr_core.models.registry.registry import (
    describe_left_out,
    find_segmenter,
    list_classifiers,
    list_pointer_problems,
)
from cxr_core.presentation.wording import DRAWING_NOTICE
from cxr_core.reading.cardiothoracic.contours import SegmentationResult
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.cores import PROCESS_CORES
from cxr_core.reading.results import Attribution, Examination, ModelOutput
from cxr_core.reading.segmenter import Segmenter
from cxr_core.workspace.log import count_details

DRAWING = QualityFlag("drawing", DRAWING_NOTICE)
LEFT_OUT = "model_left_out"  # the code of the flag for a model that cannot read any film, or cannot read this one
Result = TypeVar("Result")
BATCH = 6  # films of a folder that share a forward pass
# Batches that are decoded or read while another is used; three times as many films as a batch has are in memory.
BATCHES_AT_ONCE = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Reader:
    """Every installed model and a pool of decoding processes; safe to share between threads.

    segmenter: None measures no cardiothoracic ratio.  left_out: a flag for each model that cannot be used, with the
    reason; every film that is read carries them.
    """

    classifiers: tuple[Classifier, ...]
    decoders: DecodePool
    segmenter: Segmenter | None = None
    left_out: tuple[QualityFlag, ...] = ()

    @classmethod
    def installed(
        cls,
        folders: Sequence[Path] | None = None,
        segmenter: Path | None = None,
        decoders: DecodePool | None = None,
        backend: BackendChoice | None = None,
    ) -> "Reader":
        """The reader of every installed model's active version. A damaged one is left out, and `left_out` says why.

        folders: model folders of classifiers to read with instead; then segmenter is the folder of the segmenter, if
        any.  decoders: those of another reader, to share.  backend: what computes the networks; None = as the
        environment says, and for `folders` torch.
        Raises ModelError when every classifier is damaged, and for a damaged one among `folders`; SettingsError for an
        unknown backend in the environment.
        """
        decoders = decoders or DecodePool()
        if folders is None:
            return cls._load_active(decoders, backend or backend_setting())
        backend = backend or TORCH
        return cls(
            classifiers=tuple(Classifier.load(folder, backend) for folder in folders),
            decoders=decoders,
            segmenter=Segmenter.load(segmenter, backend) if segmenter else None,
        )

    @classmethod
    def _load_active(cls, decoders: DecodePool, backend: BackendChoice) -> "Reader":
        classifiers, segmenter, segmenter_folder = [], None, find_segmenter()
        problems = list_pointer_problems()
        folders = list_classifiers()
        names = {folder.parent.name for folder in folders}
        for folder in folders:
            try:
                classifier = Classifier.load(folder, backend)
                _require_own_name(classifier.card, folder, names)
                classifiers.append(classifier)
            except ModelError as error:
                problems.append(describe_left_out(folder, error))
        if folders and not classifiers:
            raise ModelError(f"No model can read films. {' '.join(problems)}")
        if segmenter_folder is not None:
            try:
                segmenter = Segmenter.load(segmenter_folder, backend)
            except ModelError as error:
                problems.append(describe_left_out(segmenter_folder, error))
        return cls(
            classifiers=tuple(classifiers),
            decoders=decoders,
            segmenter=segmenter,
            left_out=tuple(QualityFlag(LEFT_OUT, problem) for problem in problems),
        )

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The cards of the classifiers, in the order in which they read."""
        return tuple(classifier.card for classifier in self.classifiers)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the decoding processes; the reader must not be used afterwards."""
        self.decoders.close()

    def warm(self) -> None:
        """Start the decoders and read one drawing, so that the first film does not wait."""
        self.decoders.warm()
        self.examine(encode_png(draw_phantom(next(iter(SAMPLES.values())))))

    def examine(self, data: bytes, adjustments: Adjustments = UNCHANGED) -> Examination:
        """What all models compute from one file; a file that cannot be read carries the concern that refuses it.

        data: a film's bytes: DICOM, PNG, JPEG, TIFF, WebP or BMP.  adjustments: made before anything looks at the
        film. A model that gives no finite number for the film is left out, with a concern that names it.
        """
        (examination,) = self._read_batch([self._prepare(data, adjustments)])
        _count_in_log(examination)
        return examination

    def examine_many(
        self, files: Iterable[bytes], adjustments: Adjustments = UNCHANGED
    ) -> Iterator[Examination]:
        """Examine files in their order: decoded ahead in parallel, read in batches.

        adjustments: the same for each of them.
        """
        with ThreadPoolExecutor(max_workers=self.decoders.workers) as threads:
            batches = self._start_batches(files, adjustments, threads)
            for examinations in PROCESS_CORES.map(self._finish_batch, batches, BATCHES_AT_ONCE):
                for examination in examinations:
                    _count_in_log(examination)
                    yield examination

    def _start_batches(
        self, files: Iterable[bytes], adjustments: Adjustments, threads: ThreadPoolExecutor
    ) -> "Iterator[list[Future[_PreparedFile]]]":
        """Batches of files that the threads prepare, each begun as it is asked for."""
        remaining = iter(files)
        while batch := list(islice(remaining, BATCH)):
            yield [threads.submit(self._prepare, data, adjustments) for data in batch]

    def _finish_batch(self, batch: "list[Future[_PreparedFile]]") -> list[Examination]:
        return self._read_batch([future.result() for future in batch])

    def decode(self, data: bytes, adjustments: Adjustments = UNCHANGED) -> Radiograph:
        """The film of a file, adjusted; no model reads it. Raises FilmRefused."""
        return adjust_film(self.decoders.decode(data), adjustments)

    def explain(self, output: ModelOutput, finding: str, method: str) -> Attribution:
        """The heatmap of one finding by a key of HEATMAP_METHODS, from an output already made.

        Raises ModelError when the output's model is no longer in use, ReadingError for an unknown method.
        """
        for classifier in self.classifiers:
            if classifier.card == output.card:
                return classifier.explain(output, finding, method)
        model, version = output.card.model, output.card.version
        status = describe_status(model, version)
        raise ModelError(f"{model} {version} reads films no more: {status}; read the film again")

    def _inspect_file(self, data: bytes, adjustments: Adjustments) -> "_InspectedFile":
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            film = self.decode(data, adjustments)
        except FilmRefused as refusal:
            concern = QualityFlag(refusal.code, str(refusal), withholds_reading=True)
            return _InspectedFile(sha256, None, (concern,), adjustments)
        drawing = (DRAWING,) if is_phantom_png(data) else ()
        concerns = drawing + find_quality_flags(film) + self.left_out
        return _InspectedFile(sha256, film, concerns, adjustments)

    def _prepare(self, data: bytes, adjustments: Adjustments) -> "_PreparedFile":
        """A file inspected and its film, adjusted, on every model's grid."""
        started = time.perf_counter()
        inspected = self._inspect_file(data, adjustments)
        grids: list[np.ndarray] = []
        film = inspected.readable_film
        if film is not None:
            grids = [model.prepare_grid(film) for model in self._models]
        return _PreparedFile(inspected, grids, time.perf_counter() - started)

    def _read_batch(self, batch: "list[_PreparedFile]") -> list[Examination]:
        """Examine prepared files; the models read side by side."""
        readable = [prepared for prepared in batch if prepared.film is not None]
        shapes = [prepared.film.shape for prepared in readable if prepared.film is not None]
        started = time.perf_counter()
        by_model: list[list[Any]] = []
        segmentations: Iterator[SegmentationResult | ReadingError] = iter(())
        if readable:
            by_model = [
                *PROCESS_CORES.map(
                    partial(self._read_model, readable, shapes), range(len(self._models))
                )
            ]
            if self.segmenter:
                segmentations = iter(by_model.pop(0))
        share = (time.perf_counter() - started) / max(1, len(readable))
        outputs = iter(zip(*by_model, strict=True))
        examinations = []
        for prepared in batch:
            inspected = prepared.inspected
            if prepared.film is None:
                examination = inspected.build_examination((), None, prepared.seconds)
            else:
                examination = inspected.build_examination(
                    next(outputs, ()), next(segmentations, None), prepared.seconds + share
                )
            examinations.append(examination)
        return examinations

    @property
    def _models(self) -> "tuple[Segmenter | Classifier, ...]":
        """All models in the order in which they begin: the one that takes longest must not be the last."""
        return (*((self.segmenter,) if self.segmenter else ()), *self.classifiers)

    def _read_model(
        self, files: "Sequence[_PreparedFile]", shapes: Sequence[tuple[int, int]], place: int
    ) -> list[Any]:
        """What one of the models gives for each film. place: among `_models`."""
        model = self._models[place]
        read: Callable[..., Sequence[Any]] = (
            model.segment_grids if isinstance(model, Segmenter) else model.read_grids
        )
        return _read_each(read, np.stack([file.grids[place] for file in files]), shapes)


def _require_own_name(card: ModelCard, folder: Path, names: Collection[str]) -> None:
    """Refuse the copy of a model that reads already: it would be counted as a second opinion."""
    if is_copy_of_other(folder, card, names):
        raise ModelError(
            f"it is a copy of {card.model} {card.version}, as its card says, and that model is in use; retire or "
            "remove one of the two"
        )


def _count_in_log(examination: Examination) -> None:
    """The log learns how many films were read, and what was found odd about them; nothing else of a film."""
    concerns = examination.concerns
    count_details(
        films=1,
        refused=int(any(concern.withholds_reading for concern in concerns)),
        codes={concern.code: 1 for concern in concerns},
    )


@dataclass(frozen=True, eq=False)
class _InspectedFile:
    """A file before any model has read it. film: adjusted; None when it did not decode."""

    sha256: str
    film: Radiograph | None
    concerns: tuple[QualityFlag, ...]
    adjustments: Adjustments

    @property
    def readable_film(self) -> Radiograph | None:
        """The film, unless a concern refuses it."""
        refused = any(concern.withholds_reading for concern in self.concerns)
        return None if refused else self.film

    def build_examination(
        self,
        outputs: Sequence[ModelOutput | ReadingError],
        segmentation: SegmentationResult | ReadingError | None,
        seconds: float,
    ) -> Examination:
        failures = [each for each in (*outputs, segmentation) if isinstance(each, ReadingError)]
        flags = [QualityFlag(LEFT_OUT, f"A model is left out: {failure}.") for failure in failures]
        return Examination(
            sha256=self.sha256,
            film=self.film,
            concerns=(*self.concerns, *flags),
            outputs=tuple(output for output in outputs if not isinstance(output, ReadingError)),
            segmentation=None if isinstance(segmentation, ReadingError) else segmentation,
            seconds=seconds,
            adjustments=self.adjustments,
        )


@dataclass(frozen=True, eq=False)
class _PreparedFile:
    """An inspected file, its film on every model's grid (none when refused), and the seconds that took."""

    inspected: _InspectedFile
    grids: list[np.ndarray]
    seconds: float

    @property
    def film(self) -> Radiograph | None:
        return self.inspected.readable_film


def _read_each(
    read: Callable[[np.ndarray, Sequence[tuple[int, int]]], Sequence[Result]],
    grids: np.ndarray,
    shapes: Sequence[tuple[int, int]],
) -> list[Result | ReadingError]:
    """Read films in one batch, or each by itself when the batch fails: the error then takes the film's place."""
    try:
        return [*read(grids, shapes)]
    except ReadingError as error:
        if len(shapes) == 1:
            return [error]
    results: list[Result | ReadingError] = []
    for grid, shape in zip(grids, shapes, strict=True):
        results += _read_each(read, grid[None], [shape])
    return results

"""Bytes in, examination out: decode, look, read by every model. The whole reading flow in one place."""

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from cxr_core.errors import FilmRefused, ModelError
from cxr_core.film.concern import Concern
from cxr_core.film.decoding.sandbox import DecodePool
from cxr_core.film.phantom.phantom import SAMPLES, as_png, draw, is_drawing
from cxr_core.film.quality import inspect
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.card import ModelCard
from cxr_core.models.registry.registry import installed, installed_segmenter
from cxr_core.reading.cardiothoracic.contours import Anatomy
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.results import Evidence, Examination, ModelOutput
from cxr_core.reading.segmenter import Outliner

DRAWING = Concern("drawing", "This is a drawing made by the program, not a film of a patient.")
EVERY_CORE = torch.get_num_threads()  # as OMP_NUM_THREADS says
BATCH = 8  # films of a folder that share one forward pass; twice as many are in memory, whole, at a time


@dataclass(frozen=True, kw_only=True, eq=False)
class Reader:
    """Every installed model and a pool of decoding processes; safe to share between threads."""

    classifiers: tuple[Classifier, ...]
    decoders: DecodePool
    outliner: Outliner | None = None  # None measures nothing

    @classmethod
    def installed(
        cls,
        folders: Sequence[Path] | None = None,
        outliner: Path | None = None,
        decoders: DecodePool | None = None,
    ) -> "Reader":
        """The reader of all models in use. Raises ModelError for a damaged one.

        folders: those of the classifiers to read with instead; outliner: that of the segmenter to measure with then.
        decoders: those of another reader, to share.
        """
        found, outlines = (
            (installed(), installed_segmenter()) if folders is None else (folders, outliner)
        )
        return cls(
            classifiers=tuple(Classifier.load(folder) for folder in found),
            decoders=decoders or DecodePool(),
            outliner=Outliner.load(outlines) if outlines else None,
        )

    @property
    def cards(self) -> tuple[ModelCard, ...]:
        """The cards of the models, in the order in which they read."""
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
        self.examine(as_png(draw(next(iter(SAMPLES.values())))))

    def examine(self, data: bytes) -> Examination:
        """Everything the models say of one file; a file that cannot be read carries the concern that refuses it."""
        started = time.perf_counter()
        seen = self._look(data)
        outputs: tuple[ModelOutput, ...] = ()
        anatomy = None
        if seen.film is not None and not seen.refused:
            outputs = tuple(classifier.read(seen.film) for classifier in self.classifiers)
            anatomy = self.outliner.outline(seen.film) if self.outliner else None
        return seen.examination(outputs, anatomy, time.perf_counter() - started)

    def examine_many(self, files: Iterable[bytes]) -> Iterator[Examination]:
        """Examine files in their order: decoded ahead in parallel, read in batches."""
        remaining = iter(files)
        with (
            ThreadPoolExecutor(max_workers=self.decoders.workers) as threads,
            ThreadPoolExecutor(1) as networks,
        ):
            ahead = [threads.submit(self._prepare, data) for data in islice(remaining, BATCH)]
            try:
                while ahead:
                    batch, ahead = (
                        ahead,
                        [threads.submit(self._prepare, data) for data in islice(remaining, BATCH)],
                    )
                    yield from networks.submit(self._read_batch, batch, ahead).result()
            finally:
                networks.submit(
                    torch.set_num_threads, EVERY_CORE
                )  # also what threads that begin later are given

    def explain(self, output: ModelOutput, finding: str, method: str) -> Evidence:
        """The heatmap of one finding by a named method, from an output already made."""
        for classifier in self.classifiers:
            if classifier.card == output.card:
                return classifier.explain(output, finding, method)
        raise ModelError(
            f"{output.card.model} {output.card.version} is no longer installed; read the film again"
        )

    def _look(self, data: bytes) -> "_Seen":
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            film = self.decoders.decode(data)
        except FilmRefused as refusal:
            return _Seen(sha256, None, (Concern(refusal.code, str(refusal), refuses=True),))
        drawing = (DRAWING,) if is_drawing(data) else ()
        return _Seen(sha256, film, drawing + inspect(film))

    def _prepare(self, data: bytes) -> "tuple[_Seen, list[np.ndarray], float]":
        """A film looked at and on every model's grid, with the seconds that took; no grid for a refused one."""
        started = time.perf_counter()
        seen = self._look(data)
        grids = []
        if seen.film is not None and not seen.refused:
            grids = [classifier.grid(seen.film) for classifier in self.classifiers]
            grids += [self.outliner.grid(seen.film)] if self.outliner else []
        return seen, grids, time.perf_counter() - started

    def _read_batch(self, batch: "list[Prepared]", ahead: "list[Prepared]") -> list[Examination]:
        prepared = [future.result() for future in batch]
        readable = [
            (seen.film, grids) for seen, grids, _ in prepared if grids and seen.film is not None
        ]
        started = time.perf_counter()
        by_model = []
        for i, classifier in enumerate(self.classifiers if readable else ()):
            _share_cores(ahead)
            grids, shapes = (
                np.stack([grids[i] for _, grids in readable]),
                [film.shape for film, _ in readable],
            )
            by_model.append(classifier.read_grids(grids, shapes))
        anatomies: Iterator[Anatomy] = iter(())
        if self.outliner and readable:
            _share_cores(ahead)
            outlined = np.stack([grids[-1] for _, grids in readable])
            anatomies = iter(
                self.outliner.outline_grids(outlined, [film.shape for film, _ in readable])
            )
        share = (time.perf_counter() - started) / max(1, len(readable))
        outputs = iter(zip(*by_model, strict=True))
        return [
            seen.examination(
                next(outputs, ()) if grids else (),
                next(anatomies, None) if grids else None,
                seconds + (share if grids else 0.0),
            )
            for seen, grids, seconds in prepared
        ]


@dataclass(frozen=True, eq=False)
class _Seen:
    """A file before any model has read it."""

    sha256: str
    film: Radiograph | None
    concerns: tuple[Concern, ...]

    @property
    def refused(self) -> bool:
        return any(concern.refuses for concern in self.concerns)

    def examination(
        self, outputs: tuple[ModelOutput, ...], anatomy: Anatomy | None, seconds: float
    ) -> Examination:
        return Examination(
            sha256=self.sha256,
            film=self.film,
            concerns=self.concerns,
            outputs=outputs,
            anatomy=anatomy,
            seconds=seconds,
        )


# A film looked at, its grids and the seconds that took, as soon as it is decoded.
Prepared = Future[tuple[_Seen, list[np.ndarray], float]]


def _share_cores(ahead: Sequence[Prepared]) -> None:
    """One core for the network that comes, as long as films after these are decoded on the others; then every core."""
    torch.set_num_threads(EVERY_CORE if all(film.done() for film in ahead) else 1)

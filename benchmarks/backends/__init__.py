"""Reading by ONNX Runtime and OpenVINO beside torch: of each network, of one film and of a folder, in pairs.

The shipped models are exported as they are, in memory, and not checked; `python -m cxr_core export` checks them.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from benchmarks.reading import png
from benchmarks.table import Row, paired
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.reader import Reader
from cxr_core.reading.segmenter import Segmenter
from cxr_core.scale.export.export import Exported, export_network
from cxr_core.scale.export.files import write_network

FILMS, ROUNDS = 16, 7
MODELS: int | None = None  # all that ship
NAMES = {"onnx": "ONNX Runtime", "openvino": "OpenVINO"}
# A trial run: whether this part still works, at a size that says nothing about speed.
TRIAL = {"FILMS": 2, "ROUNDS": 1, "MODELS": 1}


def rows() -> Iterator[Row]:
    films = [png(seed) for seed in range(FILMS)]
    with Reader.installed(backend="torch") as by_torch:
        classifiers = by_torch.classifiers[:MODELS]
        segmenter = by_torch.segmenter if MODELS is None else None
        by_torch = replace(by_torch, classifiers=classifiers, segmenter=segmenter)
        for backend, by_export in _build_readers(by_torch).items():
            yield from _compare(by_torch, by_export, NAMES[backend], films)


def _build_readers(by_torch: Reader) -> dict[str, Reader]:
    """The same models by each backend."""
    models = [*by_torch.classifiers, *([by_torch.segmenter] if by_torch.segmenter else [])]
    in_onnx = [export_network(model, "onnx", None, _show_nothing) for model in models]
    readers = {}
    for backend in NAMES:
        exported = [
            Exported(backend, "float32", write_network(one.files[0], backend, None)).use_in(model)
            for one, model in zip(in_onnx, models, strict=True)
        ]
        readers[backend] = replace(
            by_torch,
            classifiers=tuple(each for each in exported if isinstance(each, Classifier)),
            segmenter=next((each for each in exported if isinstance(each, Segmenter)), None),
        )
    return readers


def _compare(by_torch: Reader, by_export: Reader, name: str, films: list[bytes]) -> Iterator[Row]:
    """How many times as long torch takes as the other library."""
    pairs = [*zip(by_torch.classifiers, by_export.classifiers, strict=True)]
    if by_torch.segmenter and by_export.segmenter:
        pairs.append((by_torch.segmenter, by_export.segmenter))
    for model, exported in pairs:
        gain = _computing_ratio(_reads_noise(model), _reads_noise(exported))
        yield Row(f"{model.card.model}: computing of a film by torch / {name}", gain, "x", ">= 1.8")
    for reader in (by_torch, by_export):
        list(reader.examine_many(films[:4]))

    def alone(reader: Reader) -> None:
        for data in films:
            reader.examine(data)

    gain, milliseconds = paired(lambda: alone(by_torch), lambda: alone(by_export), ROUNDS)
    yield Row(f"one film from its bytes, by torch / {name}", gain, "x", ">= 1.8")
    yield Row(f"one film from its bytes, by {name}", milliseconds / len(films), "ms", "")
    gain, milliseconds = paired(
        lambda: list(by_torch.examine_many(films)),
        lambda: list(by_export.examine_many(films)),
        ROUNDS,
    )
    yield Row(f"a film of a folder from its bytes, by torch / {name}", gain, "x", ">= 1.8")
    yield Row(f"a film of a folder from its bytes, by {name}", milliseconds / len(films), "ms", "")


def _reads_noise(model: Classifier | Segmenter) -> Callable[[], object]:
    """Reads a film of noise that is on the model's grid already."""
    side = model.card.input_spec.side
    grid = np.random.default_rng(0).integers(0, 256, (1, side, side), np.uint8)
    if isinstance(model, Segmenter):
        return lambda: model.predict_augmented(grid)
    return lambda: model.read_grids(grid, [(side, side)])


def _computing_ratio(first: Callable[[], object], second: Callable[[], object]) -> float:
    """Processor time of `first` as a multiple of `second`'s, the median of pairs: what else runs is left out."""
    return statistics.median(_seconds(first) / _seconds(second) for _ in range(3 * ROUNDS))


def _seconds(action: Callable[[], object]) -> float:
    began = time.process_time()
    for _ in range(3):
        action()
    return time.process_time() - began


def _show_nothing(stage: str, done: int, total: int) -> None:
    """Shows no progress."""

"""What a film of an archive costs, and one of a training epoch: processor time, bytes read and written.

Processor time of one core, which other work on the machine changes little; docs/scale.md makes its cost model from it.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.reading import png
from benchmarks.table import Row
from benchmarks.training import random_films
from cxr_core.data.film_set import FilmSet
from cxr_core.decisions import DEFAULT_DECISION
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.quality import find_quality_flags
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.networks.initialise import initialise_network
from cxr_core.reading.reader import Reader
from cxr_core.scale.scoring.film_files import FilmFile
from cxr_core.scale.scoring.local_reader import RowMaker
from cxr_core.scale.scoring.scoring_folder import ScoringFolder, describe_scoring
from cxr_core.training.engine.distributed import DistributedContext
from cxr_core.training.engine.trainer import Trainer
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.recipe.recipe_file import load_named_recipe
from cxr_core.training.runs.events import ignore_event

FILMS, ROUNDS = 16, 4
TRAINED = ("pneumonia-children", "pneumonia-resnet50")  # recipes
EPOCH_FILMS = 64  # and a quarter as many validation films
# A trial run: whether this part still works, at a size that says nothing about speed.
TRIAL = {"FILMS": 2, "ROUNDS": 1, "TRAINED": ("pneumonia-cnn-grey",), "EPOCH_FILMS": 8}


def rows() -> list[Row]:
    files = [png(seed) for seed in range(FILMS)]
    films = [decode_film(data) for data in files]
    table = [
        per_film("decoding a 1024 x 1024 PNG", lambda: [decode_film(data) for data in files]),
        per_film("quality flags", lambda: [find_quality_flags(film) for film in films]),
        Row("bytes of a 1024 x 1024 PNG", float(np.mean([*map(len, files)])) / 1e6, "MB", ""),
    ]
    with Reader.installed() as reader:
        table += network_rows(reader, films)
        table += shard_rows(reader, files)
    return table + [row for name in TRAINED for row in training_rows(name)]


def network_rows(reader: Reader, films: list[Radiograph]) -> list[Row]:
    """Grid and forward pass of each model, eight films at a time on one core."""
    table = []
    shapes = [film.shape for film in films]
    models = [(each.card.model, each, each.read_grids) for each in reader.classifiers]
    if reader.segmenter:
        segmenter = reader.segmenter
        models.append((segmenter.card.model, segmenter, segmenter.segment_grids))
    for name, model, read in models:
        grids = np.stack([model.prepare_grid(film) for film in films])
        table.append(
            per_film(
                f"{name}: grid", lambda model=model: [model.prepare_grid(film) for film in films]
            )
        )
        table.append(
            per_film(
                f"{name}: network",
                lambda grids=grids, read=read: read_in_batches(read, grids, shapes),
            )
        )
    return table


def read_in_batches(read: Callable, grids: np.ndarray, shapes: list) -> None:
    for start in range(0, len(grids), 8):
        read(grids[start : start + 8], shapes[start : start + 8])


def shard_rows(reader: Reader, files: list[bytes]) -> list[Row]:
    """From examinations to a Parquet file: time, and bytes of a film in it."""
    record = describe_scoring(reader, DEFAULT_DECISION, {}, None)
    maker, examinations = RowMaker(record), [*reader.examine_many(files)]
    found = [FilmFile(location=f"/archive/{place}.png", stamp="0:0:0:0") for place in range(FILMS)]
    with tempfile.TemporaryDirectory() as home:
        folder = ScoringFolder.begin(Path(home) / "scores", record, resume=False)

        def write() -> None:
            made = [
                maker.make_row(film, data, examination)
                for film, data, examination in zip(found, files, examinations, strict=True)
            ]
            folder.write_shard(0, made)

        row = per_film("interpretation, row and Parquet file", write)
        size = folder.list_shards()[0].stat().st_size / FILMS / 1e3
    return [row, Row(f"bytes of a film in a Parquet file of {FILMS}", size, "kB", "")]


def training_rows(name: str) -> list[Row]:
    """Processor time of an epoch of a recipe on random films, with one thread and with two."""
    recipe = replace(load_named_recipe(name), epochs=1)
    splits = {
        split: random_films(films, seed, recipe.input_side)
        for seed, (split, films) in enumerate(
            {"train": EPOCH_FILMS, "val": EPOCH_FILMS // 4}.items()
        )
    }
    table, threads = [], torch.get_num_threads()
    for count in (1, 2):
        torch.set_num_threads(count)
        seconds = min(epoch_s(recipe, splits) for _ in range(2))  # the first is slower
        what = f"{name}: processor time of an epoch of 1,000 films, threads: {count}"
        table.append(Row(what, 1000 * seconds / EPOCH_FILMS, "s", ""))
    torch.set_num_threads(threads)
    return table


def epoch_s(recipe: Recipe, splits: dict[str, FilmSet]) -> float:
    """Processor time of a training of one epoch with its validation, from random weights."""
    network = initialise_network(recipe.architecture_arguments(1), "scratch", 0).network
    context = DistributedContext(torch.device("cpu"))
    trainer = Trainer(recipe, network, splits, context, None, ignore_event)
    began = time.process_time()
    trainer.run()
    return time.process_time() - began


def per_film(what: str, action: Callable[[], object]) -> Row:
    """Processor time of one film, the least of a few rounds."""
    action()
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        action()
        times.append(time.process_time() - began)
    return Row(f"{what}, processor time of a film", 1000 * min(times) / FILMS, "ms", "")

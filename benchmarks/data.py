"""From files to batches: the pixel cache against bare OpenCV, the loader against ImageFolder, tables of 112,120 rows.

Real films come from $CXR_REAL_DATA (default ../shared/data); what needs them is left out, with a word, without it.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader

from benchmarks.table import Row, paired
from cxr_core.data.cache.pixel_cache import PixelCache
from cxr_core.data.film_set import FilmSet
from cxr_core.data.loader import Loader, Position
from cxr_core.film.preprocess import InputSpec
from cxr_core.models.networks.torchvision_compat import declare_missing_operators

REAL = Path(
    os.environ.get("CXR_REAL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)
SMALL = 1600
SPEC = InputSpec(side=128, channels=1)
CPU = torch.device("cpu")
BATCH = 32
ORIGINALS = 13
ROUNDS = 5
# A trial run: whether this part still works, at a size that says nothing about speed.
TRIAL = {"ORIGINALS": 1, "ROUNDS": 1, "SMALL": 64}


def rows() -> list[Row]:
    if not REAL.is_dir():
        return [
            Row(
                "benchmarks of data: no real films in $CXR_REAL_DATA, nothing measured",
                float("nan"),
                "",
                "",
            )
        ]
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        originals = many_originals(folder / "originals")
        small = sorted((REAL / "kermany_pneumonia" / "train").glob("*/*"))[:SMALL]
        return [
            *building(originals, folder / "built"),
            loading("1024 px originals", originals[: 8 * 13], folder / "large", ">= 100"),
            loading("224 px JPEGs", small, folder / "small", ">= 10"),
            *tables(folder / "listed"),
        ]


def many_originals(folder: Path) -> list[Path]:
    """The 1024 px originals, each turned and mirrored in eight ways and in two exposures: 208 distinct PNGs."""
    folder.mkdir()
    made = []
    for path in sorted((REAL / "nih_originals_1024" / "images").iterdir())[:ORIGINALS]:
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        for turns in range(4):
            turned = np.rot90(grey, turns)
            for mirrored in (turned, turned[:, ::-1]):
                for shift in range(2):
                    made.append(folder / f"{len(made):03}.png")
                    cv2.imwrite(str(made[-1]), cv2.subtract(np.ascontiguousarray(mirrored), shift))
    return sorted(made, key=lambda path: int(path.stem) % 16)


def building(films: list[Path], folder: Path) -> list[Row]:
    """The rates of a build: from its first film to its last, so that starting processes does not count."""

    def built(workers: int, examine: bool = False) -> float:
        shutil.rmtree(folder, ignore_errors=True)
        told: list[tuple[float, int]] = []
        cache = PixelCache(SPEC, folder)
        cache.build(
            films,
            lambda done, _: told.append((time.perf_counter(), done)),
            workers=workers,
            examine=examine,
        )
        began, first = next(entry for entry in told if entry[1] >= workers)
        ended, last = told[-1]
        return (ended - began) / (last - first)

    def bare() -> float:
        started = time.perf_counter()
        for path in films:
            samples = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
            cv2.resize(samples, (SPEC.side, SPEC.side), interpolation=cv2.INTER_AREA)
        return (time.perf_counter() - started) / len(films)

    gains, costs, examined = [], [], []
    for _ in range(ROUNDS):
        one, opencv, two = built(1), bare(), built(2)
        gains.append(one / two)
        costs.append(one / opencv)
        examined.append(built(1, examine=True) / opencv)
    return [
        Row(
            "building the cache, two workers / one (1024 px PNG)",
            statistics.median(gains),
            "x",
            ">= 1.7",
        ),
        Row(
            "building the cache / bare OpenCV decode and resize, one process",
            statistics.median(costs),
            "x",
            "<= 1.10",
        ),
        Row(
            "the same with the films examined, as train.prepare does",
            statistics.median(examined),
            "x",
            "",
        ),
    ]


def loading(what: str, films: list[Path], folder: Path, bound: str) -> Row:
    """Images per second: our batches against torchvision's ImageFolder with PIL, in the same process."""
    declare_missing_operators()
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    laid_out = folder / "classes" / "one"
    laid_out.mkdir(parents=True)
    for path in films:
        (laid_out / path.name).symlink_to(path)
    shrink = transforms.Compose(
        [transforms.Grayscale(), transforms.Resize((SPEC.side, SPEC.side)), transforms.ToTensor()]
    )
    theirs = DataLoader(ImageFolder(str(laid_out.parent), shrink), batch_size=BATCH, shuffle=True)
    loader = Loader(films_of(films, folder), batch_size=BATCH, seed=0, device=CPU)

    def ours() -> None:
        for batch in loader.batches(Position()):
            batch.grids.float().mul_(1 / 255)

    def folders() -> None:
        for _ in theirs:
            pass

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # both sides work in one thread, beside the loader's own
    ours()
    ratio, _ = paired(folders, ours, ROUNDS)
    torch.set_num_threads(threads)
    return Row(f"warm loader / ImageFolder with PIL, images per second, {what}", ratio, "x", bound)


def films_of(paths: list[Path], folder: Path) -> FilmSet:
    """Films in a cache of their own, all labelled 1 and 0 in turn."""
    cache = PixelCache(SPEC, folder)
    cache.build(paths)
    return FilmSet(
        cache.open_grids(),
        cache.find_rows(paths),
        (np.arange(len(paths)) % 2).astype(np.float32)[:, None],
    )


# The kernel's own high-water mark of this program; getrusage's would be that of whoever started it, if larger.
TABLES = """
import sys, time
from pathlib import Path
from cxr_core.data.checks.run import run_checks
from cxr_core.data.sources.detect import read_sources
began = time.perf_counter()
manifest = read_sources([Path(sys.argv[1])])
read = time.perf_counter() - began
status = Path("/proc/self/status").read_text()
peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
began = time.perf_counter()
run_checks(manifest)
print(len(manifest.table), read, peak, time.perf_counter() - began)
"""


def tables(folder: Path) -> list[Row]:
    """NIH's tables without any film, read and checked in a fresh process."""
    folder.mkdir()
    for name in (
        "Data_Entry_2017_v2020.csv",
        "BBox_List_2017.csv",
        "train_val_list.txt",
        "test_list.txt",
    ):
        shutil.copy(REAL / "nih_cxr8" / name, folder / name)
    runs = []
    for _ in range(min(ROUNDS, 3)):
        done = subprocess.run(
            [sys.executable, "-c", TABLES, str(folder)],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ,
        )
        runs.append([float(value) for value in done.stdout.split()])
    count, read, peak, checks = (statistics.median(values) for values in zip(*runs, strict=True))
    return [
        Row(f"the manifest of {count:,.0f} NIH rows, images absent", read, "s", "<= 5"),
        Row("its process's peak memory", peak, "MB", "<= 500"),
        Row("the dataset checks of that table", checks, "s", "<= 10"),
    ]

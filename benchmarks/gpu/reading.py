"""A folder of films read by the shipped models; the networks of a reading run on the CPU."""

import time
from collections.abc import Iterator

from benchmarks.gpu.sizes import Sizes
from benchmarks.reading import png
from benchmarks.table import Row
from cxr_core.reading.reader import Reader


def measure_reading(sizes: Sizes) -> Iterator[Row]:
    """Drawn films of 1024 px read a second, from their bytes to finished examinations."""
    films = [png(seed) for seed in range(min(8, sizes.read_films))]
    films *= sizes.read_films // len(films)
    with Reader.installed() as reader:
        reader.warm()
        began = time.perf_counter()
        count = sum(1 for _ in reader.examine_many(films))
        seconds = time.perf_counter() - began
    yield Row(
        "a folder of 1024 px films by the shipped models, on the CPU", count / seconds, "film/s", ""
    )

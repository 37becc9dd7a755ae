"""Runs the benchmarks and prints every figure as a row of a table; ratios are taken within one run.

python -m benchmarks [NAME ...] [--trial]
"""

import argparse
import importlib
import platform
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
NOT_BENCHMARKS = {"__init__", "__main__", "served", "table"}


def main() -> int:
    """Run the benchmarks that are named, or all of them. Returns 2 for an unknown name."""
    paths = [*HERE.glob("*.py"), *(path.parent for path in HERE.glob("*/__init__.py"))]
    known = sorted({path.stem for path in paths} - NOT_BENCHMARKS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure speed.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(known)}")
    parser.add_argument(
        "--trial", action="store_true", help="run at a tiny size, only to see that it works"
    )
    request = parser.parse_args()
    unknown = sorted(set(request.names) - set(known))
    if unknown:
        parser.error(f"unknown benchmark {unknown[0]}; choose from {', '.join(known)}")
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    for name in request.names or known:
        benchmark = importlib.import_module(f"benchmarks.{name}")
        if request.trial:
            shrink(benchmark)
        for row in benchmark.rows():
            print(row, flush=True)
    return 0


def shrink(benchmark: ModuleType) -> None:
    """Give a benchmark the sizes of a trial run."""
    for name, size in benchmark.TRIAL.items():
        setattr(benchmark, name, size)


if __name__ == "__main__":
    sys.exit(main())

"""python -m benchmarks [NAME ...]: every figure as a table; ratios are taken within one run."""

import importlib
import platform
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOT_BENCHMARKS = {"__init__", "__main__", "served", "table"}


def main() -> int:
    """Run the benchmarks named, or all of them."""
    known = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in NOT_BENCHMARKS)
    chosen = sys.argv[1:] or known
    unknown = sorted(set(chosen) - set(known))
    if unknown:
        print(f"unknown benchmark {unknown[0]}; choose from {', '.join(known)}", file=sys.stderr)
        return 2
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    for name in chosen:
        for row in importlib.import_module(f"benchmarks.{name}").rows():
            print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Stands in for `train.evaluate` where a test is about processes: progress, figures and failures, without a network.

It notes its arguments in <out>/begun, counts films, and ends as <out>/ends says: "finish" (at once, or when <out>/go
is there), or a sentence that it fails with, or "fault" for an error of the program.
"""

import sys
import time
from pathlib import Path

from cxr_core.errors import DataError, SilhouetteError
from train.command_line.progress import report_progress


def main() -> int:
    out = Path(next(word for word in sys.argv if word.startswith("--out="))[6:])
    with (out / "begun").open("a") as file:
        file.write(" ".join(sys.argv[1:]) + "\n")
    try:
        with report_progress() as progress:
            progress("reading films", 1200, 4700)
            evaluate(out)
    except SilhouetteError as error:
        print(f"train.evaluate: {error}", file=sys.stderr)
        return 3
    return 0


def evaluate(out: Path) -> None:
    path = out / "ends"
    ends = path.read_text() if path.exists() else ""
    if ends == "fault":
        raise ValueError("seven")
    if ends != "finish" and ends:
        raise DataError(ends)
    while not ends and not (out / "go").exists():
        time.sleep(0.02)
    (out / "metrics.json").write_text("{}")


if __name__ == "__main__":
    sys.exit(main())

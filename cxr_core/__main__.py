"""python -m cxr_core VERB: read films from a shell; an installed package calls it `silhouette VERB`.

The verb `read` is here. The others run the same code as `python -m train.prepare`, `train.fit`, `train.evaluate` and
`train.publish`, and `app` serves the dashboard.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2

from cxr_core.errors import SilhouetteError
from cxr_core.film.limits import MAX_BYTES
from cxr_core.models.card import OPERATING_POINTS
from cxr_core.presentation.wording import format_percent, format_threshold
from cxr_core.reading.cardiothoracic.ratio import Measurement, describe_diameters, describe_ratio
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.report.colormap import overlay_heatmap
from cxr_core.reading.results import Examination, FindingReading, Reading
from cxr_core.workspace.paths import APP

READ, BAD_ARGUMENTS, SOME_REFUSED = 0, 2, 3
PROGRAMS = {
    "prepare": ("train.prepare", "check a dataset and register it"),
    "train": ("train.fit", "train a model by a recipe"),
    "evaluate": ("train.evaluate", "measure a model on a split of a dataset"),
    "publish": ("train.publish", "install the model of a run, through the gate"),
}
STEM_BYTES = 120  # of a film's name in that of its heatmap


def main(arguments: list[str] | None = None) -> int:
    """Run a verb. `read` reads every file, one line or block each, in the order given. Returns the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in PROGRAMS:
        program, _ = PROGRAMS[words[0]]
        status: int = importlib.import_module(program).main(words[1:])
        return status
    parser = _parser()
    given = parser.parse_args(words)
    if given.verb == "app":
        return _serve_app(given.port)
    if given.heatmaps:
        _require_folder(parser, given.heatmaps)
    files = list(_files(given.files))
    if not files:
        print("cxr_core: the folders given hold no files", file=sys.stderr)
        return BAD_ARGUMENTS
    try:
        return _read_all(given, files)
    except SilhouetteError as error:
        print(f"cxr_core: {error}", file=sys.stderr)
        return SOME_REFUSED
    except BrokenPipeError:  # whoever listened has enough, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READ


def _read_all(given: argparse.Namespace, files: list[Path]) -> int:
    from cxr_core.reading.reader import (
        Reader,
    )  # imports torch: not for --help, and not for bad arguments

    status = READ
    patient = Patient(age_years=given.age, view=given.view)
    with Reader.installed() as reader:
        for file, examination in zip(
            files, reader.examine_many(map(_bytes_of, files)), strict=True
        ):
            reading = interpret(examination, patient, given.operating_point)
            print(
                json.dumps(reading.to_json(str(file)), ensure_ascii=False)
                if given.json
                else _block(file, reading)
            )
            if given.heatmaps and reading.status == "read":
                _write_heatmaps(given.heatmaps, file, examination, reading)
            if reading.status == "refused":
                status = SOME_REFUSED
    return status


def _serve_app(port: int) -> int:
    """Serve the dashboard until it is stopped, in place of this process where the system can do that."""
    command = [sys.executable, "-m", "streamlit", "run", str(APP), "--server.port", str(port)]
    command += ["--server.headless", "true"]
    if os.name == "posix":  # a signal to this program then reaches the server
        os.execv(command[0], command)
    return subprocess.run(command, check=False).returncode


def _files(named: Iterable[Path]) -> Iterator[Path]:
    """The files named, and those of the folders named, in the order of their names."""
    for path in named:
        if path.is_dir():
            yield from sorted(
                p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".")
            )
        else:
            yield path


def _bytes_of(file: Path) -> bytes:
    """The file's bytes; empty when it cannot be read. A file over the limit is not read further than it."""
    try:
        with file.open("rb") as handle:
            return handle.read(MAX_BYTES + 1)
    except OSError:
        return b""


def _block(file: Path, reading: Reading) -> str:
    lines = [f"{file}: {reading.status}" + (f": {reading.reason}" if reading.reason else "")]
    lines += [f"  ! {concern.message}" for concern in reading.concerns if not concern.withholds_reading]
    lines += [f"  ! {remark}" for remark in reading.warnings]
    lines += [f"  {_line(finding)}" for finding in reading.findings]
    for measured in reading.measurements:
        lines.append(f"  {_measured(measured)}")
        if measured.value is not None:
            lines += [f"    ! {reason}" for reason in measured.reasons]
        lines += [f"    ! {sentence}" for sentence in measured.disagreements]
    return "\n".join(lines)


def _line(finding: FindingReading) -> str:
    if finding.probability is None or finding.threshold is None:
        return f"{finding.finding}: {finding.reason}"
    return (
        f"{finding.finding}: {finding.call}, probability {format_percent(finding.probability)} "
        f"(threshold {format_threshold(finding.probability, finding.threshold)}, {finding.operating_point}; "
        f"{finding.model} {finding.version}, for {finding.population})"
    )


def _measured(measured: Measurement) -> str:
    about = "; ".join(
        filter(None, (describe_diameters(measured), f"{measured.model} {measured.version}"))
    )
    return f"cardiothoracic ratio: {describe_ratio(measured)} ({about})"


def _write_heatmaps(folder: Path, file: Path, examination: Examination, reading: Reading) -> None:
    """One PNG per finding, the film with its evidence over it, named by the film's name and hash.

    Raises SilhouetteError when one cannot be written.
    """
    for finding in reading.findings:
        if finding.attribution is not None and examination.film is not None:
            picture = overlay_heatmap(
                examination.film.pixels, finding.attribution.on_film(), finding.attribution.scale
            )
            name = f"{_short(file.stem)}-{reading.sha256[:8]}-{finding.finding}-{finding.model}.png"
            if not cv2.imwrite(str(folder / name), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
                raise SilhouetteError(
                    f"{folder / name} cannot be written; free space, or give another folder"
                )


def _short(stem: str) -> str:
    """A name that leaves room for the rest within the 255 bytes that file systems allow."""
    return stem.encode()[:STEM_BYTES].decode(errors="ignore")


def _require_folder(parser: argparse.ArgumentParser, folder: Path) -> None:
    """Make the folder for heatmaps; ends with a sentence and BAD_ARGUMENTS when that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"argument --heatmaps: {folder} cannot be a folder for them: {error.strerror}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_program_name(),
        description="Read chest films and make the models that read them.",
        allow_abbrev=False,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb, (program, purpose) in PROGRAMS.items():
        verbs.add_parser(verb, help=f"{purpose}: python -m {program}")
    app = verbs.add_parser("app", help="serve the dashboard on this computer")
    app.add_argument("--port", type=int, default=8501, help="port of the dashboard (default 8501)")
    read = verbs.add_parser(
        "read",
        help="read chest films",
        description="Read chest films: PNG, JPEG or DICOM files, or folders of them.",
    )
    read.add_argument(
        "files", nargs="+", type=_existing, metavar="FILE", help="a film, or a folder of films"
    )
    read.add_argument("--json", action="store_true", help="one JSON object per line")
    read.add_argument(
        "--heatmaps",
        type=Path,
        metavar="DIR",
        help="write each finding's heatmap over its film here",
    )
    read.add_argument(
        "--age", type=_age, metavar="YEARS", help="the patient's age; overrides the file's"
    )
    read.add_argument("--view", choices=("PA", "AP"), help="the view; overrides the file's")
    read.add_argument("--operating-point", default="youden", choices=OPERATING_POINTS)
    return parser


def _program_name() -> str:
    """How the user called this program."""
    name = Path(sys.argv[0]).name
    return name if name == "silhouette" else "python -m cxr_core"


def _existing(text: str) -> Path:
    path = Path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"there is no file or folder {text!r}")
    if not os.access(path, os.R_OK):
        raise argparse.ArgumentTypeError(f"{text!r} may not be read; check its permissions")
    return path


def _age(text: str) -> float:
    try:
        age = float(text)
    except ValueError:
        age = -1.0
    if not 0 <= age <= 120:
        raise argparse.ArgumentTypeError(f"an age is a number of years from 0 to 120, not {text!r}")
    return age


if __name__ == "__main__":
    sys.exit(main())

"""python -m cxr_core VERB: read films from a shell; an installed package calls it `silhouette VERB`.

The verb `read` is here. The others run the same code as `python -m train.prepare`, `train.fit`, `train.evaluate`,
`train.publish` and `train.models`, and `app` serves the dashboard.
"""

import argparse
import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import cv2

from cxr_core.access.audit import record_reading
from cxr_core.decisions import DECISIONS, DEFAULT_DECISION
from cxr_core.dicom_io.object_kinds import KINDS, USUAL_KINDS, parse_kinds
from cxr_core.errors import FileRefused, FilmRefused, ReadingError, SettingsError, SilhouetteError
from cxr_core.film.adjustments import Adjustments
from cxr_core.film.decoding.sandbox import DecodePool
from cxr_core.film.limits import MAX_BYTES
from cxr_core.models.card import OPERATING_POINTS
from cxr_core.models.exported.backend import BACKENDS
from cxr_core.presentation.wording import (
    call_name,
    describe_likelihood,
    format_beside_thresholds,
    format_percent,
    format_threshold,
    operating_point_name,
)
from cxr_core.reading.cardiothoracic.ratio import Measurement, describe_diameters, describe_ratio
from cxr_core.reading.impression import describe_abnormality
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.read_options import VIEWS, parse_age, parse_prevalence, spread_prevalence
from cxr_core.reading.report.colormap import overlay_heatmap
from cxr_core.reading.results import Examination, FindingReading, Reading
from cxr_core.scale.scoring.unopened import refuse_unopened
from cxr_core.site.profile_store import load_profile
from cxr_core.site.watching import WAIT_S, Watcher
from cxr_core.workspace.garbage_collection import load_for_good
from cxr_core.workspace.log import log_task
from cxr_core.workspace.malloc import keep_freed_memory
from cxr_core.workspace.openmp import let_idle_threads_sleep
from cxr_core.workspace.outside_files import parse_path, read_outside_file
from cxr_core.workspace.paths import APP, printable, workspace
from cxr_core.workspace.terminal import accept_any_text, discard_output, format_json_line

if TYPE_CHECKING:  # loads highdicom, which only results as DICOM need
    from cxr_core.dicom_io.result_writer import ResultWriter

READ, BAD_ARGUMENTS, SOME_REFUSED = 0, 2, 3
PROGRAMS = {
    "prepare": ("train.prepare", "check a dataset and register it"),
    "train": ("train.fit", "train a model from a recipe"),
    "evaluate": ("train.evaluate", "measure a model on a split of a dataset"),
    "score": ("train.verbs.score", "read an archive of films into Parquet files"),
    "ray-job": ("train.verbs.ray_job", "carry out a command on a Ray cluster"),
    "publish": ("train.publish", "install the model of a run, through the gate"),
    "export": ("train.verbs.export", "make a model's network faster on a CPU, checked on films"),
    "node": ("train.verbs.node", "receive films from a PACS, read them and send the results back"),
    "models": ("train.models", "list, import, activate and remove installed models"),
    "keys": ("train.access.keys", "make, list and revoke API keys of the service"),
    "audit": ("train.access.audit", "show or verify the record of who did what"),
}
Value = TypeVar("Value")
STEM_BYTES = 120  # of a film's name in that of its heatmap


def main(arguments: list[str] | None = None) -> int:
    """Run a verb and return the exit status. `read` prints one line or block for each file, in the given order."""
    accept_any_text()
    words = sys.argv[1:] if arguments is None else arguments
    if words and words[0] in PROGRAMS:
        program, _ = PROGRAMS[words[0]]
        status: int = importlib.import_module(program).main(words[1:])
        return status
    parser = _build_parser()
    options = parser.parse_args(words)
    if options.verb == "app":
        return _serve_app(options.port)
    for option in ("heatmaps", "dicom"):
        _require_folder(parser, option, getattr(options, option))
    files = list(_list_files(options.files))
    if not files:
        print("cxr_core: there are no files in these folders", file=sys.stderr)
        return BAD_ARGUMENTS
    try:
        # A shell that only reads films needs no workspace, and gets none.
        with log_task("reading") if workspace().is_dir() else nullcontext():
            return _read_files(options, files)
    except SilhouetteError as error:
        print(f"cxr_core: {error}", file=sys.stderr)
        return SOME_REFUSED
    except BrokenPipeError:  # the program after the pipe has ended, as `| head` does
        discard_output()
        return READ


def _read_files(options: argparse.Namespace, files: list[Path]) -> int:
    status = READ
    failures: dict[Path, str] = {}
    patient = Patient(age_years=options.age, view=options.view)
    prevalence = spread_prevalence(options.prevalence)
    site_profile, watcher = load_profile(), Watcher()
    # One film needs one decoder; the start of another would slow the import of torch down.
    with ExitStack() as stack:
        decoders = stack.enter_context(DecodePool(workers=min(2, len(files))))
        results = stack.enter_context(_open_results(options))
        decoders.warm()  # its processes start while torch is imported, for which help texts need not wait
        let_idle_threads_sleep()
        keep_freed_memory()
        with load_for_good():
            from cxr_core.reading.reader import Reader

            reader = Reader.installed(decoders=decoders, backend=options.backend)
        contents = (_load_bytes(file, failures, results) for file in files)
        examinations = reader.examine_many(contents, _adjustments_from(options))
        for file, examination in zip(files, examinations, strict=True):
            reading = interpret(examination, patient, options.decision, prevalence, site_profile)
            if file in failures:
                reading = refuse_unopened(reading, failures[file])
            watcher.add(reading)
            _record_reading(examination)
            if options.json:
                print(format_json_line(reading.to_json(printable(file))))
            else:
                print(_format_reading(file, reading))
            if options.heatmaps and reading.status == "read":
                _write_heatmaps(options.heatmaps, file, examination, reading)
            if results and not _write_results(options, file, results, examination, reading):
                status = SOME_REFUSED
            if reading.status == "refused":
                status = SOME_REFUSED
    watcher.write(WAIT_S)
    return status


def _record_reading(examination: Examination) -> None:
    """Record a reading in the audit log of the workspace, where there is one."""
    if workspace().is_dir():
        record_reading(examination.sha256, [output.card for output in examination.outputs])


def _open_results(options: argparse.Namespace) -> "ResultWriter | nullcontext[None]":
    if options.dicom is None:
        return nullcontext()
    from cxr_core.dicom_io.result_writer import ResultWriter

    return ResultWriter(
        options.dicom, options.dicom_objects, with_heatmaps=options.heatmaps is not None
    )


def _write_results(
    options: argparse.Namespace,
    file: Path,
    results: "ResultWriter",
    examination: Examination,
    reading: Reading,
) -> bool:
    """Write a film's DICOM objects and say where; False, with the reason on standard error, where there can be none."""
    try:
        paths = results.write_next(examination, reading)
    except (FilmRefused, ReadingError) as refusal:
        print(f"cxr_core: {printable(file)}: no DICOM result. {refusal}", file=sys.stderr)
        return False
    if not options.json:
        for path in paths:
            print(f"  written: {printable(path)}")
    return True


def _adjustments_from(options: argparse.Namespace) -> Adjustments:
    return Adjustments(
        inverted=options.invert, quarter_turns=options.rotate // 90, mirrored=options.mirror
    )


def _serve_app(port: int) -> int:
    """Serve the dashboard until it is stopped, in place of this process where the system can do that."""
    command = [sys.executable, "-m", "streamlit", "run", str(APP), "--server.port", str(port)]
    command += ["--server.headless", "true"]
    if os.name == "posix":  # a signal to this program then reaches the server
        os.execv(command[0], command)
    return subprocess.run(command, check=False).returncode


def _list_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files themselves, and those of the folders in the order of their names; hidden files are left out."""
    for path in paths:
        if path.is_dir():
            yield from sorted(_walk_folder(path))
        else:
            yield path


def _walk_folder(folder: Path) -> Iterator[Path]:
    """The files below a folder, dead links among them. Says on standard error which folders cannot be listed."""

    def report(error: OSError) -> None:
        name = printable(error.filename or folder)
        print(f"cxr_core: {name} cannot be listed ({error.strerror}); left out", file=sys.stderr)

    for top, _, names in os.walk(folder, onerror=report):
        for name in names:
            if not name.startswith("."):
                yield Path(top, name)


def _load_bytes(file: Path, failures: dict[Path, str], results: "ResultWriter | None") -> bytes:
    """The file's bytes. Empty when it cannot be read; `failures` then says why."""
    data = b""
    try:
        data = read_outside_file(file, MAX_BYTES)
    except FileRefused as refusal:
        failures[file] = refusal.reason
    if results:
        results.take_film(data)
    return data


def _format_reading(file: Path, reading: Reading) -> str:
    """A reading as lines for people."""
    reason = f": {reading.reason}" if reading.reason else ""
    lines = [f"{printable(file)}: {reading.status}{reason}"]
    changes = reading.adjustments.describe()
    if changes:
        lines.append(f"  put right before it was read: {', '.join(changes).lower()}")
    flags = [concern.message for concern in reading.concerns if not concern.withholds_reading]
    lines += [f"  ! {caution}" for caution in (*flags, *reading.warnings)]
    for finding in reading.findings:
        lines.append(f"  {_format_finding(finding)}")
        if finding.has_verdict and finding.defined_as:
            lines.append(f"    defined as: {printable(finding.defined_as)}")
        lines += [f"    opinion: {_format_finding(opinion)}" for opinion in finding.opinions]
    abnormality = describe_abnormality(reading.findings)
    if abnormality:
        lines.append(f"  {abnormality}")
    if reading.status == "read":
        lines.append(f"  not assessed: {', '.join(reading.not_assessed)}")
    for measurement in reading.measurements:
        lines.append(f"  {_format_measurement(measurement)}")
        cautions = measurement.reasons if measurement.value is not None else ()
        lines += [f"    ! {caution}" for caution in (*cautions, *measurement.disagreements)]
    return "\n".join(lines)


def _format_finding(finding: FindingReading) -> str:
    if finding.probability is None or finding.call is None:
        return f"{finding.finding}: {finding.reason}"
    origin = f"{finding.model} {finding.version}, for {finding.population}"
    if finding.is_withheld:
        return f"{finding.finding}: {call_name(finding.call)}, no number as a quality flag allows no verdict ({origin})"
    of_whom = " of a reader's call" if finding.label_noise else ""
    probability, thresholds = _format_probability(finding)
    words = [f"probability{of_whom} {probability}"]
    if finding.prevalence is not None:
        words[0] += f" at a prevalence of {format_percent(finding.prevalence)}"
        words.append(describe_likelihood(finding.probability, finding.prevalence))
    if finding.site is not None:
        note = finding.site.describe_probability()
        words[0] += f", {note}" if note else ""
        thresholds += f", {finding.site.describe_decision()}"
    if finding.needs_age:
        words.append("age missing")
    return (
        f"{finding.finding}: {call_name(finding.call)}, {', '.join(words)} ({thresholds}; {origin})"
    )


def _format_probability(finding: FindingReading) -> tuple[str, str]:
    """The probability, and the thresholds that it is held against."""
    assert finding.probability is not None
    if finding.threshold is not None:
        threshold = format_threshold(finding.probability, finding.threshold)
        point = operating_point_name(finding.operating_point or "").lower()
        return format_percent(finding.probability), f"threshold {threshold}, {point}"
    assert finding.present_from is not None
    assert finding.absent_below is not None
    probability, (suspected, absent) = format_beside_thresholds(
        finding.probability, (finding.present_from, finding.absent_below)
    )
    words = f"suspected from {suspected}, not suspected below {absent}, {finding.decision}"
    return probability, words


def _format_measurement(measurement: Measurement) -> str:
    origin = f"{measurement.model} {measurement.version}"
    diameters = describe_diameters(measurement)
    if diameters:
        origin = f"{diameters}; {origin}"
    return f"cardiothoracic ratio: {describe_ratio(measurement)} ({origin})"


def _write_heatmaps(folder: Path, file: Path, examination: Examination, reading: Reading) -> None:
    """Write one PNG per finding, the heatmap over the film, named by the film's name and hash.

    Raises SilhouetteError when one cannot be written.
    """
    for finding in reading.findings:
        attribution = finding.attribution
        if attribution is not None and examination.film is not None:
            heat = attribution.on_film()
            picture = overlay_heatmap(examination.film.pixels, heat, attribution.scale)
            name = f"{_shorten_stem(file.stem)}-{reading.sha256[:8]}-{finding.finding}-{finding.model}.png"
            if not cv2.imwrite(str(folder / name), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
                raise SilhouetteError(
                    f"{printable(folder / name)} cannot be written; free space, or choose another folder"
                )


def _shorten_stem(stem: str) -> str:
    """The start of a file name, so that the whole stays within the 255 bytes that file systems allow.

    Bytes that are not UTF-8 become `_`.
    """
    text = stem.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\ufffd", "_")
    return text.encode()[:STEM_BYTES].decode(errors="ignore")


def _require_folder(parser: argparse.ArgumentParser, option: str, folder: Path | None) -> None:
    """Create the folder that an option names, or end with a sentence and BAD_ARGUMENTS."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(
            f"argument --{option}: {printable(folder)} cannot be created as a folder: {error.strerror}"
        )


def _build_parser() -> argparse.ArgumentParser:
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
        description="Read chest films: DICOM, PNG, JPEG, TIFF, WebP or BMP files, or folders of them.",
    )
    _add_files_and_results(read)
    _add_reading_options(read)
    return parser


def _add_files_and_results(read: argparse.ArgumentParser) -> None:
    """What is read, and what is written about it."""
    read.add_argument(
        "files", nargs="+", type=_parse_path, metavar="FILE", help="a film, or a folder of films"
    )
    read.add_argument("--json", action="store_true", help="one JSON object per line")
    read.add_argument(
        "--heatmaps",
        type=_parse_any_path,
        metavar="DIR",
        help="write each finding's heatmap over its film here",
    )
    read.add_argument(
        "--dicom",
        type=_parse_any_path,
        metavar="DIR",
        help="write each DICOM film's result as DICOM objects of its study here; with --heatmaps these as well",
    )
    read.add_argument(
        "--dicom-objects",
        type=_as_argument(parse_kinds),
        default=USUAL_KINDS,
        metavar="KINDS",
        help=f"which objects, separated by commas: {', '.join(KINDS)} (default: {','.join(USUAL_KINDS)})",
    )


def _add_reading_options(read: argparse.ArgumentParser) -> None:
    """What is known of the patient and the films, and how they are judged."""
    read.add_argument(
        "--age",
        type=_as_argument(parse_age),
        metavar="YEARS",
        help="the patient's age; overrides the file's",
    )
    read.add_argument("--invert", action="store_true", help="swap dark and bright of every film")
    read.add_argument(
        "--rotate",
        type=int,
        default=0,
        choices=(90, 180, 270),
        help="turn every film by so many degrees, clockwise",
    )
    read.add_argument(
        "--mirror", action="store_true", help="exchange left and right of every film, after a turn"
    )
    read.add_argument("--view", choices=VIEWS, help="the view; overrides the file's")
    read.add_argument(
        "--backend",
        choices=BACKENDS,
        help="what computes the networks; auto takes the fastest export that is installed (default: as CXR_BACKEND "
        "says, else torch)",
    )
    read.add_argument(
        "--decision",
        default=DEFAULT_DECISION,
        choices=DECISIONS,
        help="standard and strict have two thresholds, for an error of 10 %% and 5 %% of each class, and leave films "
        "between them undecided; the others have one (default: standard)",
    )
    read.add_argument(
        "--operating-point",
        dest="decision",
        choices=OPERATING_POINTS,
        default=argparse.SUPPRESS,
        help="a single threshold by its name in a model's card; the same as --decision balanced, sensitive or specific",
    )
    read.add_argument(
        "--prevalence",
        type=_as_argument(parse_prevalence),
        action="append",
        default=[],
        metavar="[FINDING=]SHARE",
        help="share of patients with the finding, such as 0.1 or cardiomegaly=0.1; it moves the probability, never the "
        "verdict (default: that of the site, where its profile says one, else that of the films that calibrated the "
        "model)",
    )


def _program_name() -> str:
    """How the user called this program."""
    name = Path(sys.argv[0]).name
    return name if name == "silhouette" else "python -m cxr_core"


def _parse_any_path(text: str) -> Path:
    try:
        return parse_path(text)
    except FileRefused as refusal:
        raise argparse.ArgumentTypeError(str(refusal)) from None


def _parse_path(text: str) -> Path:
    path = _parse_any_path(text)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"there is no file or folder {text!r}")
    if not os.access(path, os.R_OK):
        raise argparse.ArgumentTypeError(f"{text!r} is not readable; check its permissions")
    return path


def _as_argument(parse: Callable[[str], Value]) -> Callable[[str], Value]:
    """A parser of the core for argparse, which shows its sentences."""

    def parse_argument(text: str) -> Value:
        try:
            return parse(text)
        except SettingsError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse_argument


if __name__ == "__main__":
    sys.exit(main())

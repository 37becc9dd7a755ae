"""python -m cxr_core export MODEL --to onnx|openvino --data DIR: a network for a library that is faster on a CPU.

The export is installed in the workspace when it answers as the model does on its validation films; docs/export.md has
the limits. Readings use it when their backend is auto or that of the export: CXR_BACKEND, or read --backend.
Without --data the files are only written to --out, unchecked, and no reading uses them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from train.command_line.arguments import DATA, Parser, parse_name_or_path, parse_path_argument
from train.command_line.command import command
from train.command_line.progress import report_progress

if TYPE_CHECKING:
    from cxr_core.data.prepare_apart import StageProgress
    from cxr_core.models.exported.record import ExportRecord

TARGETS = ("onnx", "openvino")


@command("cxr_core export")
def main(arguments: list[str] | None = None) -> None:
    """Parse, export, print the folder. 3 when the export is refused, with its figures."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if not given.data and not given.out:
        parser.error("give --data to check and install the export, or --out to write its files")
    if given.int8 and not given.data:
        parser.error("--int8 needs --data: its ranges come from training films")
    with report_progress() as progress:
        folder = _export(given, progress)
    print(folder)


def _export(given: argparse.Namespace, progress: StageProgress) -> Path:
    """Install the export, or only write its files. Returns the folder that has them."""
    from cxr_core.models.exported.record import export_folder
    from cxr_core.scale.export.export import copy_export, export_to_backend, write_unchecked
    from train.command_line.model_names import find_model_folder

    folder = find_model_folder(given.model)
    if not given.data:
        return write_unchecked(folder, given.to, given.out, progress)
    record = export_to_backend(folder, given.to, given.data, int8=given.int8, progress=progress)
    _print_figures(record)
    if given.out:
        return copy_export(record, given.out)
    return export_folder(record.weights_sha256, record.backend)


def _print_figures(record: ExportRecord) -> None:
    """Say on standard error what the check found."""
    from cxr_core.presentation.wording import format_count

    check = record.check
    words = [
        f"{record.model} {record.version}, {record.backend} {record.precision}: compared on "
        f"{format_count(check.films, 'films')} of {format_count(check.patients, 'patients')} ({check.source})",
        f"largest difference of a logit {check.largest_difference:.2g}",
        f"verdicts changed {check.verdicts_changed} ({check.most_changed} by one decision), films on a threshold "
        f"{check.on_threshold}",
    ]
    for finding, change in check.auroc.items():
        words.append(f"AUROC for {finding} {change.torch:.4f} by torch, {change.exported:.4f}")
    if check.ratio_difference is not None:
        words.append(f"mean difference of the ratio {check.ratio_difference:.2g}")
    print("; ".join(words), file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m cxr_core export", description=__doc__)
    parser.add_argument(
        "model",
        type=parse_name_or_path,
        help="a run folder, a model folder, or the name of an installed model",
    )
    parser.add_argument(
        "--to", required=True, choices=TARGETS, help="the library that is to run it"
    )
    parser.add_argument("--int8", action="store_true", help="quantise to 8-bit integers")
    parser.add_argument(
        "--data",
        type=parse_name_or_path,
        action="append",
        default=[],
        help=f"to check it on: {DATA}",
    )
    parser.add_argument(
        "--out",
        type=parse_path_argument,
        metavar="DIR",
        help="a new folder for a copy of the files",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

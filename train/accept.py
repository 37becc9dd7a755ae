"""python -m train.accept MODEL --data DIR: does a model read a site's films as it read its validation films?

Films known to be free of the finding, of at least 20 patients, and films with it where there are any. Films that the
model learnt from, repeated ones and those of patients whom it is not for are left out. docs/site.md goes through it.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_core.errors import SiteError
from cxr_core.workspace.log import add_details, log_task
from train.command_line.arguments import (
    Parser,
    parse_name_or_path,
    parse_path_argument,
    parse_share,
)
from train.command_line.command import command
from train.command_line.progress import report_progress

if TYPE_CHECKING:
    from cxr_core.data.prepare_apart import StageProgress
    from cxr_core.models.card import ModelCard
    from cxr_core.site.acceptance import Acceptance
    from cxr_core.site.local_films import LocalFilms
    from cxr_core.site.validation_scores import FindingScores

ALL = "all"
SPLITS = (ALL, "train", "val", "test")


@command("train.accept")
def main(arguments: list[str] | None = None) -> int:
    """Parse, test, print the path of the record. 3 when the model is not accepted, or something is refused."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if not given.data and not (given.revoke or given.watch):
        parser.error("--data is needed, but for --revoke and --watch")
    if (given.install or given.revoke) and not given.reason:
        parser.error("--install and --revoke need --reason TEXT")
    if given.revoke:
        return _revoke(given)
    if given.watch:
        return _show_watching(given)
    with report_progress() as progress:
        if given.write_scores:
            return _write_scores(given, progress)
        return accept(given, progress)


@log_task("acceptance test")
def accept(given: argparse.Namespace, progress: StageProgress) -> int:
    """Test a model on the films of a site, and keep the record. With --install, recalibrate and install as well."""
    from cxr_core.data.prepare import open_data
    from cxr_core.scale.scoring.scored_outputs import choose_predictions
    from cxr_core.site.acceptance import compare_with_validation
    from cxr_core.site.acceptance_record import build_record, write_acceptance
    from cxr_core.site.dataset_films import take_dataset_films
    from cxr_core.site.learnt_films import UNKNOWN, read_learnt_films
    from cxr_core.site.validation_scores import read_validation_scores

    folder, card = _find_classifier(given.model)
    finding = _choose_finding(card, given.finding)
    add_details(model=card.model, version=card.version, finding=finding)
    scores = read_validation_scores(folder, card)
    learnt = read_learnt_films(folder)
    predict = choose_predictions(folder, card, given.scoring, partial(progress, "reading films"))
    films = open_data(given.data, progress)
    if given.split != ALL:
        films = films.select_split(given.split)
    local = take_dataset_films(card, films, finding, learnt, predict)
    of_finding = scores.of_finding(finding)
    acceptance = compare_with_validation(local, of_finding, card)
    path = write_acceptance(build_record(acceptance, local, card))
    _print_outcome(acceptance)
    if not learnt.is_known:
        print(UNKNOWN, file=sys.stderr)
    print(path)
    if given.install:
        return _recalibrate_and_install(given, local, of_finding, card, path.name)
    return 0 if acceptance.verdict == "accepted" else 3


def _recalibrate_and_install(
    given: argparse.Namespace,
    local: LocalFilms,
    scores: FindingScores,
    card: ModelCard,
    record: str,
) -> int:
    from cxr_core.site.local_decisions import choose_local_decisions
    from cxr_core.site.local_profile import build_model_profile, describe_evidence
    from cxr_core.site.profile_store import install
    from cxr_core.site.recalibration import fit_local_recalibration

    recalibration = fit_local_recalibration(local, scores, card, prevalence=given.prevalence)
    print(recalibration.sentence, file=sys.stderr)
    if recalibration.refused:
        raise SiteError(f"nothing was installed: {recalibration.refused}")
    decisions = choose_local_decisions(local, card, recalibration)
    print(decisions.sentence, file=sys.stderr)
    profile = install(
        build_model_profile(local, card, recalibration, decisions),
        given.reason,
        describe_evidence(recalibration, record),
    )
    print(
        f"Installed for {profile.model} {profile.version}: {profile.describe()}. To take it back: python -m "
        f"train.accept {profile.model} --finding {profile.finding} --revoke --reason TEXT",
        file=sys.stderr,
    )
    return 0


def _revoke(given: argparse.Namespace) -> int:
    from cxr_core.site.profile_store import revoke

    _, card = _find_classifier(given.model)
    profile = revoke(card.model, _choose_finding(card, given.finding), given.reason)
    print(f"Revoked for {profile.model} {profile.version}: {profile.describe()}", file=sys.stderr)
    return 0


def _show_watching(given: argparse.Namespace) -> int:
    """Print drift and weekly shares. 3, for a scheduler, where readings have drifted or a shift is not corrected."""
    from cxr_core.site.validation_scores import read_validation_scores
    from cxr_core.site.watch_report import report_watching

    folder, card = _find_classifier(given.model)
    finding = _choose_finding(card, given.finding)
    scores = read_validation_scores(folder, card).of_finding(finding)
    report = report_watching(card, finding, scores)
    for line in report.describe():
        print(line)
    return 3 if report.needs_attention else 0


def _write_scores(given: argparse.Namespace, progress: StageProgress) -> int:
    from cxr_core.models.card import VALIDATION_SCORES
    from cxr_core.training.export.site_scores import rewrite_site_scores

    folder, _ = _find_classifier(given.model)
    rewrite_site_scores(folder, given.data, progress)
    print(folder / VALIDATION_SCORES)
    return 0


def _print_outcome(acceptance: Acceptance) -> None:
    """The outcome and, of each class, distance, shift and the rates of each decision, on stderr."""
    from cxr_core.site.acceptance import describe_class

    print(acceptance.sentence, file=sys.stderr)
    for comparison in acceptance.classes:
        for line in describe_class(comparison):
            print(f"  {line}", file=sys.stderr)


def _find_classifier(name: str) -> tuple[Path, ModelCard]:
    """The folder and the card of a classifier. Raises SiteError for a segmenter."""
    from cxr_core.models.card import ModelCard
    from cxr_core.models.card_file import read_card
    from train.command_line.model_names import find_model_folder

    folder = find_model_folder(name)
    card = read_card(folder)
    if not isinstance(card, ModelCard):
        raise SiteError(
            f"{card.model} segments films, so it has no log-odds to compare; give a classifier"
        )
    return folder, card


def _choose_finding(card: ModelCard, name: str | None) -> str:
    """The finding of that name, or the only one. Raises SiteError, with the findings of the model."""
    if name is None and len(card.findings) == 1:
        return card.findings[0]
    if name not in card.findings:
        raise SiteError(
            f"{card.model} has the findings {', '.join(card.findings)}; name one of them with --finding"
        )
    return name


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m train.accept", description=__doc__)
    parser.add_argument(
        "model",
        type=parse_name_or_path,
        help="a model folder, a run folder, or the name of an installed model",
    )
    parser.add_argument(
        "--data",
        type=parse_name_or_path,
        action="append",
        default=[],
        help="a dataset's folder, or the name of a registered one; repeatable",
    )
    parser.add_argument("--finding", help="of the model; needed where it has several")
    parser.add_argument(
        "--split", choices=SPLITS, default=ALL, help="only the films of this part of the data"
    )
    parser.add_argument(
        "--scoring",
        type=parse_path_argument,
        metavar="DIR",
        help="take the model's numbers from a scoring of these films (cxr_core score) instead of running the network",
    )
    parser.add_argument(
        "--prevalence",
        type=parse_share,
        metavar="SHARE",
        help="the site's, where films were chosen by class; without it they count as they came",
    )
    parser.add_argument(
        "--install", action="store_true", help="recalibrate on these films, and install the result"
    )
    parser.add_argument("--revoke", action="store_true", help="take what is installed out of use")
    parser.add_argument("--reason", metavar="TEXT", help="why, for --install and --revoke; kept")
    parser.add_argument(
        "--watch", action="store_true", help="show how readings since then compare with the test"
    )
    parser.add_argument(
        "--write-scores",
        action="store_true",
        help="read the validation films of a model anew, from the data that it was trained on, and keep their scores "
        "in its folder; models that are exported now have them",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

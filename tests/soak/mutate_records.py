"""Reads mutated records: `python -m tests.soak.mutate_records [--count N] [--seed S] [--minutes M]`.

A workspace of version 0.1, with models of today's, is copied; in each case one of its files is changed and everything
that reads the file is called: the readers, the functions of the pages, a reading of drawings with a model whose card
was changed, an import of a changed zip. A violation is any error other than the program's own, and 5 s of computing in
one case. Each violating file is kept, and `--case I` writes case I of a seed.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from types import FrameType
from unittest import mock

from cxr_core.data import registry as datasets
from cxr_core.data.selection import FilmIndex
from cxr_core.data.summary import summarise_films
from cxr_core.errors import ModelError, SilhouetteError
from cxr_core.evaluation.charts.training import draw_training_charts
from cxr_core.evaluation.store import loaded
from cxr_core.evaluation.store.catalogue import list_records, load_record
from cxr_core.evaluation.store.folder import read_metrics
from cxr_core.evaluation.store.provenance import count_test_uses, read_training_hashes
from cxr_core.film.phantom.phantom import SAMPLES, PhantomSpec, draw_phantom
from cxr_core.film.radiograph import Radiograph
from cxr_core.jobs import files as job_files
from cxr_core.jobs import status
from cxr_core.jobs.activity import read_activity
from cxr_core.models.card import CARD, ModelCard
from cxr_core.models.card_file import read_card
from cxr_core.models.card_summary import list_training_facts, tabulate_card_figures
from cxr_core.models.networks.architectures import build_network
from cxr_core.models.registry import registry as model_registry
from cxr_core.models.registry.archive import export_model
from cxr_core.models.registry.pointers import read_history
from cxr_core.models.registry.registry import (
    find_models_from_run,
    list_active_versions,
)
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.models.store import save_model
from cxr_core.promotion import imports
from cxr_core.promotion.gate.verdict import OfficialTest, read_verdict
from cxr_core.promotion.publish import find_test_figures
from cxr_core.reading.heatmap_notes import points_elsewhere
from cxr_core.reading.reader import Reader
from cxr_core.reading.results import EXACT_METHOD
from cxr_core.reading.trial_run import trial_process
from cxr_core.training.runs.compare import recipe_differences, tabulate_figures
from cxr_core.training.runs.progress import read_progress
from cxr_core.training.runs.run_folder import RunFolder
from cxr_core.training.runs.summary import summarise_run
from cxr_core.workspace.paths import SHIPPED_MODELS
from pages.components.models.gate_verdict import _describe_official_test
from pages.components.models.installed_models import list_installed_models
from pages.components.models.tables import (
    history_rows,
    model_rows,
    segmentation_rows,
    version_rows,
)
from tests.models.networks.test_segmenter import CARD as SEGMENTER_CARD
from tests.old_site import copy_old_site
from tests.soak import record_mutations as mutations
from tests.soak.tally import Tally
from tests.tiny import tiny_card, tiny_model

COMPUTING_LIMIT_S, WAITING_LIMIT_S = 5, 300  # a case computes for less than a second
REPORT_EVERY_S = 30.0
MODELS = ("tiny", "fused", "outlines")
MODEL = "models/tiny/1.0.0"
RUN = "runs/finished"
EVALUATION = f"{RUN}/evaluation"


@dataclass(frozen=True)
class Target:
    """A file of the workspace, how it is changed, how it is read and used, and how often it is taken."""

    path: str
    mutate: mutations.Mutate
    use: Callable[[Path], None]
    weight: int = 2

    @property
    def name(self) -> str:
        """The file's name, and that of the folder it lies in."""
        return "/".join(Path(self.path).parts[-2:])


class RecordSoak:
    """Cases of one seed in a folder of its own, which becomes the workspace while they run."""

    def __init__(self, seed: int, folder: Path):
        self.seed, self.folder, self.tally = seed, folder, Tally()
        self.slowest_s = 0.0
        self.workspace = copy_old_site(folder / "site")
        _add_models(self.workspace)
        self.targets = list_targets()
        self._packed = [_pack_under_another_name(self.workspace, name) for name in MODELS]
        self._shipped = folder / "shipped"
        self._shipped.mkdir()

    def run(self, count: int, minutes: float | None = None) -> None:
        """Run cases until there are enough, or the time is over."""
        start = reported = time.monotonic()
        with _program_in(self.workspace, self._shipped):
            for index in range(count):
                self._run_case(index)
                now = time.monotonic()
                if now - reported > REPORT_EVERY_S:
                    self.tally.print(now - start)
                    reported = now
                if minutes is not None and now - start > 60 * minutes:
                    break
        self.tally.print(time.monotonic() - start)
        print(f"slowest case: {self.slowest_s:.1f} s")

    def run_one(self, index: int) -> None:
        """Run one case alone."""
        with _program_in(self.workspace, self._shipped):
            self._run_case(index)

    def write_case(self, index: int) -> Path:
        """The changed file of a case, in the folder of the soak."""
        return self._keep(index, *self._case(index))

    def _keep(self, index: int, target: Target, content: bytes) -> Path:
        kept = self.folder / f"case-{index}-{target.name.replace('/', '-')}"
        kept.write_bytes(content)
        return kept

    def _case(self, index: int) -> tuple[Target, bytes]:
        chance = Random(f"{self.seed}/{index}")
        target = chance.choices(self.targets, [target.weight for target in self.targets])[0]
        if target.path == ZIP:
            return target, target.mutate(chance.choice(self._packed), chance)
        return target, target.mutate((self.workspace / target.path).read_bytes(), chance)

    def _run_case(self, index: int) -> None:
        target, content = self._case(index)
        path = self.workspace / target.path
        before = path.read_bytes() if path.exists() else None
        path.write_bytes(content)
        start = time.monotonic()
        try:
            with _time_limit():
                target.use(self.workspace)
            outcome = "used"
        except SilhouetteError:
            outcome = "refused"
        except Exception:  # noqa: BLE001 - this is what is looked for
            outcome = "VIOLATION"
            kept, trace = self._keep(index, target, content), traceback.format_exc(limit=-6)
            self.tally.violations.append(f"case {index} of seed {self.seed}, {kept}:\n{trace}")
        finally:
            if before is None:
                path.unlink()
            else:
                path.write_bytes(before)
        self.slowest_s = max(self.slowest_s, time.monotonic() - start)
        self.tally.outcomes[target.name, outcome] += 1


ZIP = "model.zip"


def list_targets() -> list[Target]:
    """Every kind of file that the program reads back."""
    json_file, lines = mutations.mutate_json, mutations.mutate_lines
    dataset = "datasets/films"
    job = f"{RUN}/job"
    return [
        Target(f"{MODEL}/card.json", json_file, partial(use_card, model="tiny"), 14),
        Target("models/fused/1.0.0/card.json", json_file, partial(use_card, model="fused"), 14),
        Target(
            "models/outlines/1.0.0/card.json", json_file, partial(use_card, model="outlines"), 8
        ),
        Target("models/tiny/current.json", json_file, use_models),
        Target("models/log.jsonl", lines, use_models),
        Target(f"{MODEL}/gate.json", json_file, use_models, 4),
        Target(ZIP, mutations.mutate_zip, import_zip, 20),
        Target(f"{RUN}/gate.json", json_file, use_runs, 4),
        Target(f"{RUN}/manifest.json", json_file, use_runs, 5),
        Target(f"{RUN}/recipe.toml", mutations.mutate_toml, use_runs, 8),
        Target(f"{RUN}/progress.jsonl", lines, use_runs, 6),
        Target(f"{RUN}/model/card.json", json_file, use_runs, 4),
        Target(f"{RUN}/checkpoints/step_000004/state.json", json_file, use_runs),
        Target(f"{RUN}/checkpoints/step_000004/done", json_file, use_runs),
        Target(f"{job}/request.json", json_file, use_runs, 4),
        Target(f"{job}/recipe.toml", mutations.mutate_toml, use_runs),
        Target(f"{job}/process.json", json_file, use_runs, 3),
        Target(f"{job}/heartbeat.json", json_file, use_runs, 3),
        Target("runs/stopped/job/stop.json", json_file, use_runs),
        Target("runs/stopped/job/end.json", json_file, use_runs),
        Target(f"{dataset}/dataset.json", json_file, use_dataset, 6),
        Target(f"{dataset}/issues.json", json_file, use_dataset, 6),
        Target(f"{dataset}/manifest.parquet", mutations.mutate_manifest, use_dataset, 8),
        Target(f"{EVALUATION}/metrics.json", json_file, use_evaluation, 8),
        Target(f"{EVALUATION}/curves.json", json_file, use_evaluation, 6),
        Target(f"{EVALUATION}/predictions.csv", mutations.mutate_csv, use_evaluation, 8),
        Target(f"{RUN}/learnt.csv", mutations.mutate_csv, use_evaluation),
        Target("official_test_uses.jsonl", lines, use_evaluation),
    ]


def use_models(workspace: Path) -> None:
    """All that the Models page and a reading do with the installed models."""
    installed = list_installed_models()
    model_rows(installed)
    for model in installed:
        version_rows(model.versions)
        history_rows(read_history(model.name))
        for version in model.versions:
            if isinstance(version.card, SegmenterCard):
                segmentation_rows(version.card)
            elif isinstance(version.card, ModelCard):
                _use_card(version.card)
            verdict = read_verdict(version.folder)
            if verdict is not None:
                test = verdict.official_test or OfficialTest()
                str([verdict.in_words, *_describe_official_test(test)]).encode()
    find_models_from_run("finished")
    list_active_versions()


def use_card(workspace: Path, model: str) -> None:
    """The Models page, and a reading of a drawing by the model whose card was changed."""
    use_models(workspace)
    folder = workspace / "models" / model / "1.0.0"
    film = _draw_small()
    if isinstance(read_card(folder), SegmenterCard):
        reader = Reader.installed([], segmenter=folder, decoders=mock.Mock())
        trial_process._read_film(reader, film)
        return
    reader = Reader.installed([folder], decoders=mock.Mock())
    examination = trial_process._read_film(reader, film)
    trial_process._draw_heatmaps(reader.classifiers[0], examination)


def _use_card(card: ModelCard) -> None:
    for finding in card.findings:
        rows = [*list_training_facts(card.training, finding), *tabulate_card_figures(card, finding)]
        str(rows).encode()
        points_elsewhere(card, finding)


def use_runs(workspace: Path) -> None:
    """All that the Train page and its commands do with runs."""
    for job in (*status.list_runs(), *status.list_evaluations()):
        str((job.title, job.sentence)).encode()
    folders = job_files.list_run_folders()
    for folder in folders:
        read_progress(folder, read_progress(folder))
        summarise_run(folder)
        read_activity(folder)
        verdict = read_verdict(folder)
        if verdict is not None:
            verdict.in_words.encode()
    recipe_differences(folders)
    tabulate_figures(folders)
    run = RunFolder(workspace / RUN)
    run.read_events()
    _refuse_any(run.load_manifest, run.load_recipe, run.checkpoints.load_latest)
    find_test_figures(run, read_card(run.model))


def use_dataset(workspace: Path) -> None:
    """All that the Data page and training do with a dataset."""
    datasets.list_datasets()
    datasets.list_damaged_folders()
    dataset = datasets.find_dataset("films")
    for issue in dataset.load_issues():
        dataset.decision_about(issue)
        f"{issue.title} {issue.extent} {issue.remedy} {issue.severity}".encode()
    dataset.open_blocking_issues()
    manifest = dataset.load_manifest()
    account = manifest.account_for_films()
    if account is not None:
        account.sentence.encode()
    summarise_films(FilmIndex(manifest))
    usable = manifest.select_usable()
    summarise_films(FilmIndex(usable))
    usable.label_matrix(usable.findings)
    usable.split_sha256()
    usable.count_by_split()
    dataset.to_json()


def use_evaluation(workspace: Path) -> None:
    """All that the Evaluate page does with an evaluation."""
    list_records(workspace)
    read_metrics(workspace / EVALUATION)
    count_test_uses("x")
    read_training_hashes(workspace / EVALUATION)
    evaluation = loaded.load_evaluation(load_record(workspace / EVALUATION))
    for finding in evaluation.findings:
        for view in (None, *evaluation.views(finding)):
            evaluation.figures(finding, view)
            shown = loaded.compute_finding_view(evaluation, finding, view)
            str((shown.distribution_chart, shown.threshold_chart))
    if evaluation.training is not None:
        draw_training_charts(evaluation.training)


def import_zip(workspace: Path) -> None:
    """Import a zip, and take the model out again."""
    before = set((workspace / "models").glob("[!.]*/*"))
    try:
        imports.import_model((workspace / ZIP).read_bytes())
    finally:
        for folder in set((workspace / "models").glob("[!.]*/*")) - before:
            if folder.is_dir():
                shutil.rmtree(folder)


def _refuse_any(*readers: Callable[[], object]) -> None:
    """Call every reader; afterwards raise one of the program's own errors that any of them raised."""
    refusals = []
    for read in readers:
        try:
            read()
        except SilhouetteError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]


def _add_models(workspace: Path) -> None:
    """A classifier whose card has everything that a card may have, and a segmenter."""
    shipped = read_card(next(SHIPPED_MODELS.glob("cardiomegaly-adults/*")))
    assert isinstance(shipped, ModelCard)
    fusion = replace(shipped.fusion["cardiomegaly"], model="outlines 1.0.0")
    card = replace(
        tiny_card("fused"),
        fusion={"cardiomegaly": fusion},
        baseline_attribution={"pneumonia": [[0.1, -0.1], [0.2, 0.0]]},
        training=shipped.training,
        metrics=shipped.metrics,
        population=replace(shipped.population, views=("PA", "AP")),
    )
    tiny_model(workspace / "models", card)
    outlines = replace(SEGMENTER_CARD, model="outlines", metrics=_segmenter_metrics())
    network = build_network(outlines.architecture, outlines.arguments)
    save_model(workspace / "models" / "outlines" / "1.0.0", outlines, network)


def _pack_under_another_name(workspace: Path, name: str) -> bytes:
    """The zip of a model that could be installed beside it."""
    folder = workspace / "models" / name / "1.0.0"
    with tempfile.TemporaryDirectory() as place:
        copied = shutil.copytree(folder, Path(place) / "visitor" / "1.0.0")
        card = read_card(copied)
        (copied / CARD).write_text(replace(card, model="visitor").to_json(), encoding="utf-8")
        return export_model(copied)


def _segmenter_metrics() -> dict[str, object]:
    return dict(read_card(next(SHIPPED_MODELS.glob("anatomy/*"))).metrics)


def _draw_small(spec: PhantomSpec | None = None) -> Radiograph:
    film = _DRAWINGS.get(spec)
    if film is None:
        drawn = draw_phantom(spec or next(iter(SAMPLES.values())))
        film = _DRAWINGS[spec] = replace(drawn, pixels=drawn.pixels[::4, ::4].copy())
    return film


_DRAWINGS: dict[PhantomSpec | None, Radiograph] = {}


def _try_here(folder: Path) -> None:
    """As the process of a trial does, in this one."""
    try:
        trial_process.read_drawings(folder)
    except SilhouetteError:
        raise
    except Exception as error:
        raise ModelError(f"the model fails on a drawing: {error}") from error


@contextmanager
def _program_in(workspace: Path, shipped: Path) -> Iterator[None]:
    """The program with this workspace and without the shipped models, which tries models here and on fewer drawings."""
    few_bands = partial(loaded.compute_confidence_bands, resamples=20)
    with (
        mock.patch.dict(os.environ, {"CXR_WORKSPACE": str(workspace)}),
        mock.patch.object(model_registry, "SHIPPED_MODELS", shipped),
        mock.patch.object(trial_process, "SAMPLES", dict(list(SAMPLES.items())[:2])),
        mock.patch.object(trial_process, "draw_phantom", _draw_small),
        mock.patch.object(trial_process, "PATIENTS", trial_process.PATIENTS[:4]),
        mock.patch.object(trial_process, "HEATMAP_METHODS", (EXACT_METHOD,)),
        mock.patch.object(imports, "try_model", _try_here),
        mock.patch.object(loaded, "compute_confidence_bands", few_bands),
    ):
        yield


class TooSlow(Exception):
    """A case computed, or waited, for too long."""


@contextmanager
def _time_limit() -> Iterator[None]:
    def interrupt(number: int, _: FrameType | None) -> None:
        raise TooSlow(f"ended by {signal.Signals(number).name}")

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGPROF, signal.SIGALRM)
    }
    signal.setitimer(signal.ITIMER_PROF, COMPUTING_LIMIT_S)
    signal.alarm(WAITING_LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        for number, handler in before.items():
            signal.signal(number, handler)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the soak; 1 on a violation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--case", type=int, help="write this case of the seed, and run it alone")
    options = parser.parse_args(arguments)
    soak = RecordSoak(options.seed, Path(tempfile.mkdtemp(prefix="mutated-records-")))
    if options.case is not None:
        print(soak.write_case(options.case))
        soak.run_one(options.case)
    else:
        soak.run(options.count, options.minutes)
    for violation in soak.tally.violations:
        print(violation)
    return bool(soak.tally.violations)


if __name__ == "__main__":
    sys.exit(main())

"""What readers, a site, its receiving node and other programs leave in a workspace, by the program's own code."""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np

from cxr_core.access.api_keys import add_key
from cxr_core.access.audit import record_reading
from cxr_core.data.registry import Dataset
from cxr_core.dicom_io.node.film_queue import FilmQueue, State
from cxr_core.dicom_io.node.spool import Spool, node_folder
from cxr_core.evaluation.store.catalogue import load_record
from cxr_core.evaluation.store.loaded import load_evaluation
from cxr_core.evaluation.store.provenance import record_validation_use
from cxr_core.feedback.export import export_project
from cxr_core.feedback.films import keep_film, list_project_films
from cxr_core.feedback.layer import make_layer
from cxr_core.feedback.projects import create_project
from cxr_core.feedback.readers import register_reader
from cxr_core.feedback.review.dataset_review import create_review, fill_from_evaluation
from cxr_core.models.exported.record import ExportCheck
from cxr_core.models.figures import MeanFigure
from cxr_core.models.networks.user_code import allow_code, code_folder, hash_code
from cxr_core.reading.site_profile import ModelProfile, SiteCalibration
from cxr_core.scale.export.export import export_network, install_checked_export, load_model
from cxr_core.scale.search import trials
from cxr_core.scale.search.results import write_results
from cxr_core.scale.search.study import OptunaStudy
from cxr_core.scale.search.trials import work_on_trials
from cxr_core.site.acceptance import compare_with_validation
from cxr_core.site.acceptance_record import build_record, write_acceptance
from cxr_core.site.learnt_films import write_learnt_films
from cxr_core.site.profile_store import Evidence, install
from cxr_core.site.watching import FindingCounts, Week, watching_folder
from cxr_core.workspace.json_files import write_json
from tests.feedback.bench import draw_film, judge
from tests.node.bench import PEER, arrive, make_film
from tests.scale.search.bench import FakeTraining, new_search, options
from tests.site.simulated import CARD, FINDING, draw_site, validation_scores, write_scores
from train.verbs import score

NODE_SETTINGS = f"""
[archives.main]
url = "http://127.0.0.1:1/dicom-web"
[node]
peers = [{{ae_title = "{PEER}", address = "127.0.0.1"}}]
"""
CODE = """
from torch import nn

def build(channels, width=8):
    return nn.Sequential(nn.Conv2d(channels, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU())
"""
BUILD = "file:my_net.py:build"
FOUND_EQUAL = ExportCheck(
    films=600, patients=300, source="films of a test", largest_difference=1e-6, verdicts_changed=0,
    most_changed=0,
)  # fmt: skip
WEEK = "2026-W48"


def add_site_files(workspace: Path, dataset: Dataset, films: Path) -> None:
    """Add them to a workspace with a registered dataset of pneumonia and the model tiny 1.0.0. films: to be scored."""
    add_reviews(workspace, dataset)
    add_site(workspace)
    add_programs(workspace, films)
    add_node(workspace)
    add_search(workspace)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What a command prints is not shown."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def add_programs(workspace: Path, films: Path) -> None:
    """An API key, lines of the audit log, own code, an export, a scoring, where runs are tracked."""
    add_key("router")
    record_reading("a" * 64, [CARD])
    (workspace / "tracking.toml").write_text('[tracking]\nmlflow = "mlflow"\n')
    code_folder().mkdir()
    (code_folder() / "my_net.py").write_text(CODE)
    allow_code(hash_code([BUILD]))
    model = load_model(workspace / "models/tiny/1.0.0")
    install_checked_export(model, export_network(model, "onnx", None, lambda *_: None), FOUND_EQUAL)
    scoring = workspace / "scorings" / "archive"
    with quiet():
        assert score.main(["--data", str(films), "--out", str(scoring)]) in (0, 3)


def add_reviews(workspace: Path, dataset: Dataset) -> None:
    """Readers who differ about a dataset's labels and about films that were kept, a label layer and an export."""
    readers = [register_reader(name).id for name in ("Ada", "Grace")]
    review = create_review("Round 1", dataset, [FINDING], reads=2)
    evaluation = load_record(workspace / "evaluations" / "tiny-1.0.0-test-films")
    fill_from_evaluation(review, load_evaluation(evaluation))
    for number, film in enumerate(list_project_films(review)[:4]):
        judge(film, readers[0], "suspected")
        judge(film, readers[1], "not_suspected" if number == 0 else "suspected")
    make_layer(review, "round-1")
    kept = create_project("Clinic", [FINDING])
    for number in range(3):
        film = keep_film(kept, draw_film(number), f"{number:064x}", consent_by=readers[0])
        judge(film, readers[0], "suspected")
    export_project(kept, workspace / "exports" / "Clinic-1")


def add_site(workspace: Path) -> None:
    """Acceptance records, an installed profile with its history, and a week of counted readings."""
    folder = workspace / "models/tiny/1.0.0"
    scores = validation_scores(np.random.default_rng(0))
    card = write_scores(folder, scores)
    write_learnt_films(folder, ["a" * 64])
    local = draw_site(np.random.default_rng(1), 25, 25)
    record = build_record(compare_with_validation(local, scores, CARD), local, CARD)
    path = write_acceptance(record)
    before, after = (MeanFigure(value, value - 0.03, value + 0.03, 50) for value in (0.13, 0.05))
    profile = ModelProfile(
        model=card.model,
        version=card.version,
        finding=FINDING,
        calibration=SiteCalibration(intercept=-1.0),
        prevalence=0.3,
        installed_on="2026-01-01",
        films=50,
        patients=50,
    )
    install(profile, "first", Evidence(before=before, after=after, record=path.name))
    install(replace(profile, films=90), "second", Evidence(before=before, after=after))
    counts = FindingCounts(
        model=card.model,
        version=card.version,
        finding=FINDING,
        log_odds={"-3": 20, "4": 20},
        verdicts={"absent": 20, "present": 18, "indeterminate": 2},
    )
    watching_folder().mkdir()
    write_json(
        watching_folder() / f"{WEEK}.json",
        Week(week=WEEK, read=40, refused=1, findings=(counts,)).to_json(),
    )


def add_node(workspace: Path) -> None:
    """The settings of a node, and films of it: one waits, one is dead, the results of one wait to be sent."""
    (workspace / "pacs.toml").write_text(NODE_SETTINGS)
    spool = Spool(node_folder())
    with FilmQueue(node_folder()) as queue:
        for number, state in ((1, State.DEAD), (2, State.READ), (3, State.RECEIVED)):
            data = make_film(number)
            spool.write_film(arrive(data).name, data)
            queue.add(arrive(data))
            if state == State.RECEIVED:
                continue
            film = queue.claim(0.0, [])
            assert film is not None
            if state == State.DEAD:
                queue.mark(film, State.DEAD, "undecodable")
            else:
                spool.write_results(film.name, [data])
                queue.mark_read(film, ["1.2.3.4"])


def add_search(workspace: Path) -> None:
    """A search whose trials were compared on validation films."""
    search = new_search(workspace)
    with mock.patch.object(trials, "fit_or_resume", FakeTraining()):
        study = OptunaStudy(search)
        work_on_trials(study, 3, options(), lambda *_: None)
    write_results(study)
    record_validation_use(["a"], search.name, 0)

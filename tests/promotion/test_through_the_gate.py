"""From a run through the gate to the active version and back, on films whose labels a known network decides."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import expit

from cxr_core.data.prepare import open_data
from cxr_core.errors import ModelError, RunError
from cxr_core.evaluation.robustness.resolution import read_copies
from cxr_core.evaluation.store.provenance import count_test_uses
from cxr_core.film.phantom.phantom import draw_phantom
from cxr_core.inference import predict_films
from cxr_core.jobs.activity import GATE_ACTIVITY, read_activity
from cxr_core.models.card import Calibration, ModelCard, Population
from cxr_core.models.registry import registry
from cxr_core.models.registry.active_version import roll_back
from cxr_core.models.registry.pointers import read_history
from cxr_core.models.registry.registry import find_active_version, list_classifiers
from cxr_core.models.store import load_card
from cxr_core.promotion import candidate
from cxr_core.promotion import publish as publishing
from cxr_core.promotion.gate.checks import Check
from cxr_core.promotion.gate.verdict import read_verdict
from cxr_core.promotion.publish import compare_run, publish
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.reader import Reader
from cxr_core.site.learnt_films import write_learnt_films
from cxr_core.training.exclusions import build_exclusions
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.run_data import LEARNING_SPLITS, describe_run_data, split_manifest
from cxr_core.training.runs.manifest import RunManifest
from cxr_core.training.runs.run_folder import RunFolder
from tests.jobs.job_control import until
from tests.tiny import tiny_card, tiny_model
from train.publish import main

pytestmark = [pytest.mark.training, pytest.mark.timeout(900)]

KEY = "pneumonia"
RECIPE = Recipe(
    name="tiny",
    summary="A test.",
    model="tiny",
    findings=(KEY,),
    init="scratch",
    input_side=64,
    gate_share=0.4,
    validation_share=0.3,
)
TRAIN, TEST = 200, 80


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The workspace in which the films are opened first: their pixels and near-duplicates are found once."""
    folder = tmp_path_factory.mktemp("opened")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_WORKSPACE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, opened: Path) -> tuple[Path, ModelCard]:
    """Films of as many patients, and the card of the network that decides their labels: calibrated, by construction."""
    rng = np.random.default_rng(0)
    root = tmp_path_factory.mktemp("known")
    rows = []
    (root / "films").mkdir()
    for n in range(TRAIN + TEST):
        noise = rng.integers(0, 120, (80, 80)) + np.linspace(0, rng.integers(0, 130), 80)[:, None]
        Image.fromarray(noise.astype(np.uint8)).save(root / "films" / f"{n}.png")
        rows.append(
            {
                "image": f"{n}.png",
                "patient": f"p{n}",
                "split": "train" if n < TRAIN else "test",
                KEY: n % 2,
            }
        )
    table = pd.DataFrame(rows)
    table.to_csv(root / "films" / "labels.csv", index=False)
    network = Classifier.load(tiny_model(root / "network", tiny_card(findings=(KEY,))))
    answers = predict_films(network, open_data([root / "films"]))
    logits = answers.set_index("image")["logit"].reindex(table["image"]).to_numpy()
    slope = 4 / logits.std()
    calibration = Calibration(
        slope=float(slope), intercept=float(-slope * np.median(logits)), source="known"
    )
    table[KEY] = (rng.random(len(table)) < expit(slope * logits + calibration.intercept)).astype(
        int
    )
    table.to_csv(root / "films" / "labels.csv", index=False)
    return root / "films", tiny_card(findings=(KEY,), calibration={KEY: calibration})


@pytest.fixture
def workspace(workspace: Path, known: tuple[Path, ModelCard], opened: Path) -> Path:
    """A workspace of the test's own, in which the films are prepared already."""
    copy_prepared(opened, workspace)
    return workspace


def copy_prepared(opened: Path, workspace: Path) -> None:
    for name in ("datasets", "cache"):
        shutil.copytree(opened / name, workspace / name)


@pytest.fixture(scope="module", autouse=True)
def no_shipped_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """None of the models that ship is in use: they answer the same finding."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "SHIPPED_MODELS", tmp_path_factory.mktemp("shipped") / "none")
        yield


@pytest.fixture(scope="module", autouse=True)
def no_copies() -> Iterator[None]:
    """No film is read in other sizes: these films are noise, which is another film in another size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidate, "read_copies", lambda *_: {})
        yield


@pytest.fixture(scope="module", autouse=True)
def each_phantom_is_drawn_once() -> Iterator[None]:
    """Every publication reads the same few phantoms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publishing, "draw_phantom", cache(draw_phantom))
        yield


def a_run(
    folder: Path,
    known: tuple[Path, ModelCard],
    seed: int = 0,
    recipe: Recipe = RECIPE,
    **changes: Any,
) -> RunFolder:
    """A finished and evaluated run as train.fit leaves it, without the training. seed 0: the network that decides."""
    films, card = known[0], replace(known[1], **changes)
    manifest = split_manifest(recipe, open_data([films]))
    learnt = manifest.with_table(manifest.table[manifest.table["split"].isin(LEARNING_SPLITS)])
    run_manifest = RunManifest(
        data=describe_run_data(learnt, recipe),
        exclusions=build_exclusions(recipe, manifest),
        folders=(str(films),),
    )
    run = RunFolder.create(recipe, run_manifest, folder)
    validation_films = run_manifest.data.splits["val"].films
    source = f"{validation_films} validation films carved from train by patient"
    points = {KEY: tuple(replace(point, source=source) for point in card.operating_points[KEY])}
    written = replace(
        card, operating_points=points, training={"data": run_manifest.training_data()}
    )
    tiny_model(folder / "elsewhere", written, seed).rename(run.model)
    auroc = {"value": 0.9, "low": 0.8, "high": 1.0, "n": TEST, "positives": 40}
    measured = {"schema": 1, "part": "test", "weights_sha256": load_card(run.model).weights_sha256}
    (folder / "evaluation").mkdir()
    (folder / "evaluation" / "metrics.json").write_text(
        json.dumps({**measured, "findings": {KEY: {"auroc": auroc}}})
    )
    return run


def versions_in(workspace: Path) -> list[str]:
    return sorted(path.name for path in (workspace / "models" / "tiny").iterdir() if path.is_dir())


def test_a_model_whose_answers_depend_on_the_size_of_a_film_is_refused(
    known: tuple[Path, ModelCard],
    tmp_path: Path,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(candidate, "read_copies", read_copies)
    verdict = compare_run(a_run(tmp_path / "run", known).path)
    (check,) = [check for check in verdict.checks if check.name == "resolution and file format"]
    assert check.refuses
    assert "of 24 films of 80 px" in check.sentence
    assert check.figures["movement"]["worst"] > check.figures["limit"] == 0.5


def test_a_model_that_moves_less_than_the_one_in_use_passes_and_one_that_moves_more_does_not(
    known: tuple[Path, ModelCard],
    tmp_path: Path,
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The model in use reads films in other sizes only where the candidate misses the limit."""
    full = known[1].calibration[KEY]
    read: list[str] = []

    def make_run(name: str, part: float) -> RunFolder:
        """A run whose log-odds, and so their movements, are a part of those of the known network."""
        calibration = Calibration(
            slope=part * full.slope, intercept=part * full.intercept, source=name
        )
        return a_run(tmp_path / name, known, calibration={KEY: calibration})

    def judge(name: str, part: float) -> Check:
        read.clear()
        checks = compare_run(make_run(name, part).path).checks
        return next(check for check in checks if check.name == "resolution and file format")

    def read_and_note(reader: Reader, *given: Any) -> dict[tuple[str, str], pd.DataFrame]:
        read.append(reader.classifiers[0].card.calibration[KEY].source)
        return read_copies(reader, *given)

    publish(make_run("in use", 0.28).path, override="a drill")
    monkeypatch.setattr(candidate, "read_copies", read_and_note)
    assert judge("calm", 1e-4).status == "pass"
    assert read == ["calm"]
    calmer, wilder = judge("calmer", 0.223), judge("wilder", 0.5)
    assert read == ["wilder", "in use"]
    assert (calmer.status, wilder.status) == ("pass", "fail")
    in_use = calmer.figures["incumbents"]["tiny 1.0.0"]["incumbent"]["outside"]
    assert wilder.figures["incumbents"]["tiny 1.0.0"]["incumbent"]["outside"] == in_use
    assert 0.05 < calmer.figures["movement"]["outside"] < in_use
    assert in_use < wilder.figures["movement"]["outside"]
    assert f"{100 * in_use:.0f} % with tiny 1.0.0" in calmer.sentence


def test_a_good_model_goes_through_and_a_worse_one_only_with_a_reason(
    known, tmp_path, workspace, capsys, monkeypatch
):
    good, worse = a_run(tmp_path / "good", known), a_run(tmp_path / "worse", known, seed=1)
    first = publish(good.path)
    verdict = read_verdict(first)
    assert verdict is not None
    assert (verdict.is_open, verdict.split, verdict.incumbent) == (True, "gate", "")
    assert load_card(first).training["published"]["gate"] == json.loads(
        json.dumps(verdict.to_json())
    )

    assert main([str(worse.path), "--judge"]) == 3
    assert "not" in capsys.readouterr().err
    verdict_on_worse = read_verdict(worse.path)
    assert verdict_on_worse is not None
    auroc = next(check for check in verdict_on_worse.checks if check.name == "AUROC")
    assert (auroc.status, verdict_on_worse.split, verdict_on_worse.incumbent) == (
        "fail",
        "gate",
        "tiny 1.0.0",
    )
    assert auroc.figures["difference"]["high"] < 0
    gate_films = split_manifest(RECIPE, open_data([known[0]])).select_split("gate")
    assert auroc.figures["difference"]["n"] == len(gate_films.table)

    # The verdict holds, so the films are not read again.
    monkeypatch.setattr(candidate, "predict_films", lambda *_: pytest.fail("read again"))
    with pytest.raises(RunError, match=r"AUROC of pneumonia: .* significantly worse"):
        publish(worse.path, "newer")
    assert versions_in(workspace) == ["1.0.0"]
    second = publish(worse.path, "newer", override="a drill")
    assert find_active_version("tiny").folder == second
    assert load_card(second).training["published"]["override"] == "a drill"
    assert json.loads((second / "gate.json").read_text())["published"]["override"] == "a drill"
    assert [(each["what"], each["override"]) for each in read_history("tiny")] == [
        ("published", "a drill"),
        ("published", ""),
    ]

    assert main(["--roll-back", "tiny", "--note", "it was a drill"]) == 0
    assert Path(capsys.readouterr().out.strip()) == first == find_active_version("tiny").folder
    assert versions_in(workspace) == ["1.0.0", "1.0.1"]
    assert main(["--roll-back", "tiny", "--to", "1.0.1"]) == 3
    assert "say why" in capsys.readouterr().err
    assert (
        count_test_uses(open_data([known[0]]).select_split("test").data_sha256()).evaluations == 0
    )


def test_a_weak_model_of_another_name_is_refused_and_a_better_one_takes_its_place(
    known, tmp_path, workspace, capsys
):
    publish(a_run(tmp_path / "good", known).path)
    weak = a_run(tmp_path / "weak", known, seed=1, model="weak")
    with pytest.raises(RunError, match=r"compared with tiny 1\.0\.0.*of tiny 1\.0\.0"):
        publish(weak.path, "another name")
    assert find_active_version("weak") is None
    children = a_run(
        tmp_path / "children",
        known,
        seed=1,
        model="children",
        population=Population(text="children", age_max=5),
    )
    assert compare_run(children.path).incumbent == "tiny 1.0.0"  # which reads children too
    with pytest.raises(ModelError, match=r"reads patients who are not .*retire tiny first"):
        publish(children.path, "for children", override="no reason undoes that")
    assert find_active_version("children") is None

    assert main([str(weak.path), "--note", "a drill", "--override", "a drill"]) == 0
    assert "it replaces tiny 1.0.0" in capsys.readouterr().err
    assert find_active_version("tiny") is None
    better = a_run(tmp_path / "better", known, model="better")
    with pytest.raises(ModelError, match=r"better replaces weak 1\.0\.0.*say why"):
        publish(better.path)
    folder = publish(better.path, "twice the films")
    assert load_card(folder).training["published"]["retires"] == ["weak 1.0.0"]
    assert [path.parent.name for path in list_classifiers()] == ["better"]


def test_an_incumbent_that_was_trained_on_the_holdout_is_compared_on_the_official_test(
    known, tmp_path, workspace
):
    old = replace(RECIPE, gate_share=0.0)
    publish(a_run(tmp_path / "old", known, recipe=old).path)
    before = count_test_uses(open_data([known[0]]).select_split("test").data_sha256())
    assert (before.evaluations, before.models) == (
        1,
        1,
    )  # the first one had no holdout of its own
    verdict = compare_run(a_run(tmp_path / "new", known).path)
    assert verdict.split == "test"
    assert (
        "tiny 1.0.0 was trained on films of the holdout, or its card cannot exclude it"
        in verdict.comparison_set
    )
    assert "Used before for 1 evaluation of 1 model." in verdict.comparison_set
    after = count_test_uses(open_data([known[0]]).select_split("test").data_sha256())
    assert (after.evaluations, after.models) == (3, 1)  # both read it; they have the same weights
    compared = next(check for check in verdict.checks if check.name == "AUROC")
    assert compared.figures["difference"]["n"] == TEST


@pytest.mark.parametrize(
    ("learner", "says"),
    [
        ("model in use", "the card of tiny 1.0.0 does not rule out that it was trained on the off"),
        ("new model", "the model was trained on films that are in the test split of its data now"),
    ],
)
def test_films_that_one_of_the_models_has_learnt_are_no_test_films(
    learner: str, says: str, known: tuple[Path, ModelCard], tmp_path: Path, workspace: Path
) -> None:
    """The table named other test films when the model was trained, so its card says that it left them alone."""
    in_use = publish(a_run(tmp_path / "old", known, recipe=replace(RECIPE, gate_share=0.0)).path)
    run = a_run(tmp_path / "new", known)
    test_films = open_data([known[0]]).select_split("test").table["sha256"]
    write_learnt_films(run.model if learner == "new model" else in_use, test_films)
    verdict = compare_run(run.path)
    assert verdict.split == ""
    assert says in verdict.comparison_set


def test_where_no_film_is_new_to_both_the_gate_stays_closed(known, tmp_path, workspace):
    publish(
        a_run(
            tmp_path / "old", known, recipe=replace(RECIPE, split="70:15:15", gate_share=0.0)
        ).path,
        override="x",
    )
    verdict = compare_run(a_run(tmp_path / "new", known).path)
    auroc = next(check for check in verdict.checks if check.name == "AUROC")
    assert (verdict.split, verdict.is_open, auroc.status) == ("", False, "not enough cases")
    assert (
        "does not rule out that it was trained on the official test split" in verdict.comparison_set
    )


def test_films_that_are_gone_keep_the_gate_closed(known, tmp_path, workspace):
    run = a_run(tmp_path / "run", known)
    facts = {**run.load_manifest().to_json(), "folders": [str(tmp_path / "moved")]}
    (run.path / "manifest.json").write_text(json.dumps(facts))
    with pytest.raises(RunError, match="no films to compare on"):
        publish(run.path)
    assert "cannot be opened" in read_verdict(run.path).comparison_set


def test_a_version_activated_meanwhile_must_be_compared_again(
    known, tmp_path, workspace, monkeypatch
):
    run = a_run(tmp_path / "run", known)
    for override in ("", "again"):
        publish(run.path, "a note", override=override)
    roll_back("tiny", "why")
    compare_candidate = publishing.compare_candidate

    def overtaken(*given: Any, **more: Any) -> Any:
        verdict = compare_candidate(*given, **more)
        (find_active_version("tiny").folder / "card.json").write_text(
            replace(
                load_card(find_active_version("tiny").folder), evidence_scale={KEY: 9.0}
            ).to_json()
        )
        return verdict

    monkeypatch.setattr(publishing, "compare_candidate", overtaken)
    with pytest.raises(ModelError, match="publish again"):
        publish(run.path, "a note")


@pytest.fixture(scope="module")
def compared(
    known: tuple[Path, ModelCard], opened: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with a run, which the gate has compared, and a workspace in which its model is installed."""
    folder = tmp_path_factory.mktemp("compared")
    copy_prepared(opened, folder / "workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_WORKSPACE", str(folder / "workspace"))
        run = a_run(folder / "run", known)
        first = publish(run.path)
        first.with_name("current.json").unlink()  # as it was before versions were named
        compare_run(run.path)
    shutil.copytree(folder, folder.with_name("kept"), symlinks=True)
    return folder


@pytest.fixture
def run_to_publish(compared: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """The run that was compared, in its workspace, as if no other test had used them."""
    shutil.rmtree(compared)
    shutil.copytree(compared.with_name("kept"), compared, symlinks=True)
    monkeypatch.setenv("CXR_WORKSPACE", str(compared / "workspace"))
    return RunFolder(compared / "run")


@pytest.mark.process
@pytest.mark.parametrize(
    "step", ["pin_active_version", "write_verdict", "_flushed", "_before_pointer"]
)
def test_a_kill_while_publishing_leaves_the_old_version_active(
    step: str, run_to_publish: RunFolder
) -> None:
    """In a process of its own, ended as by SIGKILL, with what it was about to do undone."""
    run = run_to_publish
    first = run.path.with_name("workspace") / "models" / "tiny" / "1.0.0"
    child = os.fork()
    if child == 0:
        _end_at(step)
        publish(run.path, "better", override="")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert find_active_version("tiny").folder == first
    second = publish(run.path, "better")  # whoever comes after goes through
    assert find_active_version("tiny").folder == second != first


@pytest.mark.process
def test_a_kill_while_another_name_is_published_leaves_one_model_reading(
    known, tmp_path, workspace
):
    publish(a_run(tmp_path / "old", known).path)
    better = a_run(tmp_path / "better", known, model="better")
    compare_run(better.path)
    child = os.fork()
    if child == 0:
        _end_at("_before_pointer")
        publish(better.path, "better")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert [path.parent.name for path in list_classifiers()] == ["tiny"]
    publish(better.path, "better")
    assert [path.parent.name for path in list_classifiers()] == ["better"]


@pytest.mark.process
def test_a_kill_during_the_comparison_is_shown_and_leaves_no_verdict(known, tmp_path, workspace):
    run = a_run(tmp_path / "run", known)
    child = os.fork()
    if child == 0:
        candidate.choose_comparison_set = lambda *_: (  # type: ignore[assignment]
            (tmp_path / "at it").touch(),
            time.sleep(600),
        )
        main([str(run.path), "--judge"])
        os._exit(0)
    until((tmp_path / "at it").exists, "the gate is being asked")
    activity = read_activity(run.path)
    assert activity is not None
    assert (activity.is_running, activity.sentence) == (True, f"It is being {GATE_ACTIVITY}.")
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert "interrupted" in activity.sentence
    assert read_verdict(run.path) is None
    assert main([str(run.path), "--judge"]) == 0  # a second click
    assert read_verdict(run.path) is not None
    assert read_activity(run.path) is None


def _end_at(step: str) -> None:
    """Have this process end when publishing comes to a step."""

    def end(*_: object, **__: object) -> None:
        os._exit(9)

    if step == "_flushed":
        os.fsync = end  # type: ignore[assignment]
    elif step == "_before_pointer":
        publishing.write_pointers = end
    else:
        setattr(publishing, step, end)

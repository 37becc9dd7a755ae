"""The Train page through Streamlit's own test bench, on run folders written by hand."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest, app_test

from cxr_core.errors import RunError
from cxr_core.training import jobs
from cxr_core.training.job import Device, Job, Request
from pages.components import cache
from pages.components.training import publishing
from pages.components.training.desk import START
from pages.components.training.errands import Errands
from tests.pages.fake_runs import FakeRuns, dataset, fake_runs
from tests.pages.fakes import FakeReader
from tests.pages.test_data_page import Pages
from tests.pages.test_models_page import VERDICT

APP = Path(__file__).parents[2] / "app.py"
OPEN = replace(VERDICT, checks=tuple(check for check in VERDICT.checks if not check.refuses))
CPU = Device(name="cpu", words="CPU, 2 cores", processes=2, memory_mb=4096)


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, workspace: Path) -> AppTest:
    """The app, without networks, on a machine of two cores."""
    errands = Errands()
    monkeypatch.setattr(PagesManager, "uses_pages_directory", False)
    monkeypatch.setattr(app_test, "PagesManager", Pages)
    monkeypatch.setattr(cache, "reader", FakeReader)
    monkeypatch.setattr(cache, "start_warm_up", lambda: None)
    monkeypatch.setattr(cache, "errands", lambda: errands)
    monkeypatch.setattr(cache, "devices", lambda: (CPU,))
    monkeypatch.setattr(cache, "start_fault", lambda key, recipe: ("", ""))
    monkeypatch.setattr("cxr_core.training.device.devices", lambda: (CPU,))
    return AppTest.from_file(str(APP), default_timeout=120).run()


@pytest.fixture
def runs(workspace: Path) -> Iterator[FakeRuns]:
    with fake_runs() as written:
        yield written


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What is submitted, which is noted and comes to nothing else."""
    noted: list[Request] = []

    def submit(request: Request) -> Job:
        noted.append(request)
        return Job(
            id="made-1",
            folder=Path("made-1"),
            state="queued",
            sentence="Waits.",
            recipe=request.recipe.name,
            model="m",
            data=request.data,
            device="cpu",
        )

    monkeypatch.setattr(jobs, "submit", submit)
    return noted


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """Run, note and override of what is published, which is noted and comes to nothing else."""
    noted: list[tuple[str, str, str]] = []

    def publish(run: Path, note: str, *, override: str, progress: object) -> Path:
        noted.append((run.name, note, override))
        return run

    monkeypatch.setattr("cxr_core.training.publish.publish", publish)
    return noted


def open_page(app: AppTest, **parameters: str) -> AppTest:
    for name, value in parameters.items():
        app.query_params[name] = value
    app.switch_page("pages/train.py").run()
    assert not app.exception
    return app


def open_form(app: AppTest) -> AppTest:
    open_page(app)
    app.session_state["desk"].turn_to(START)
    app.run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.text, app.error, app.warning, app.info, app.success, app.code, app.toast)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def named(elements: Any, label: str) -> Any:
    return next(each for each in elements if each.label == label)


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def cells(app: AppTest) -> str:
    return "\n".join(table.value.to_string() for table in app.table)


def test_without_a_run_the_page_leads_to_the_form_and_that_to_the_data(app: AppTest) -> None:
    open_page(app)
    assert "There is no run yet." in words(app)
    named(app.button, "Start a run").click().run()
    assert not app.exception
    assert "No dataset is registered yet" in words(app)
    assert "Start" not in labels(app)


def test_a_sound_form_makes_one_run_and_the_next_form_another(
    app: AppTest, asked: list[Request], workspace: Path
) -> None:
    name = dataset(workspace)
    open_form(app)
    assert "may be trained on" in words(app)
    assert "MobileNetV2 from ImageNet weights" in words(app)
    assert "The house's own" in words(app)
    named(app.number_input, "Epochs").set_value(9)
    named(app.number_input, "Shift").set_value(0.2)
    named(app.number_input, "Processes").set_value(2)
    app.run()
    assert "epochs **9** instead of 4; shift **0.2** instead of 0.05" in words(app)
    named(app.button, "Start").click().run()
    assert not app.exception
    (request,) = asked
    assert (request.data, request.device, request.processes) == ((name,), "cpu", 2)
    assert (request.recipe.epochs, request.recipe.augmentation.shift) == (9, 0.2)
    assert "made-1 was asked for" in app.toast[0].value
    app.session_state["desk"].turn_to(START)
    app.run()
    assert named(app.number_input, "Epochs").value == 4
    named(app.button, "Start").click().run()
    assert asked[1].token != request.token


def test_invalid_fields_are_answered_beside_them_and_nothing_starts(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset(workspace)
    open_form(app)
    named(app.number_input, "Head epochs").set_value(4).run()
    assert not app.exception
    told = [each.value for each in app.markdown if "epochs=4 must be below epochs=4" in each.value]
    assert len(told) == 2  # beneath the field, and beside the button
    named(app.number_input, "Head epochs").set_value(0)
    named(app.number_input, "Epochs").set_value(0)
    named(app.number_input, "Rotation deg").set_value(50.0).run()
    for said in ("epochs=0 must be a number between 1 and 1000", r"deg=50.0 is out of range\: 0 to 45"):
        assert sum(said in each.value for each in app.markdown) == 2
    assert named(app.button, "Start").disabled
    assert "epochs=0" in named(app.button, "Start").help
    named(app.number_input, "Rotation deg").set_value(7.0)
    named(app.number_input, "Neck").set_value(None)
    named(app.number_input, "Epochs").set_value(4).run()
    assert "Changed from the recipe: neck **empty** instead of 96." in words(app)
    assert not named(app.button, "Start").disabled


def test_a_batch_that_processes_cannot_share_is_said_beside_them(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset(workspace)
    open_form(app)
    named(app.number_input, "Batch size").set_value(15)
    named(app.number_input, "Processes").set_value(2).run()
    assert "15 films cannot be shared equally by 2 processes" in words(app)
    assert named(app.button, "Start").disabled


def test_a_dataset_with_a_blocking_issue_is_not_trained_on(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset(workspace, blocking=True)
    open_form(app)
    assert "stopped by 1 blocking" in words(app)
    assert "has a blocking finding that nobody has decided about" in words(app)
    assert named(app.button, "Start").disabled


def test_a_recipe_whose_finding_has_no_labels_is_said(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset(workspace)
    open_form(app)
    named(app.selectbox, "Recipe").set_value("pneumonia-children").run()
    assert "No film of this data has a label of pneumonia" in words(app)
    assert named(app.button, "Start").disabled
    named(app.multiselect, "Datasets").set_value([]).run()
    assert "No dataset is chosen." in words(app)


def test_weights_that_cannot_be_had_are_said_beside_the_choice(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset(workspace)
    sentences = {"imagenet": "timm's hub is out of reach", "/none.safetensors": "is no file"}
    faults = {init: ("init", sentence) for init, sentence in sentences.items()}
    monkeypatch.setattr(cache, "start_fault", lambda key, recipe: faults.get(recipe.init, ("", "")))
    open_form(app)
    assert "hub is out of reach" in words(app)
    assert named(app.button, "Start").disabled
    named(app.radio, "First weights").set_value("file").run()
    assert r"Say which\: a file, or a model." in words(app)
    named(app.text_input, "A safetensors file on this computer, in timm's naming").set_value("/none.safetensors").run()
    assert "is no file" in words(app)
    named(app.radio, "First weights").set_value("model").run()
    assert not app.exception
    assert not app.error
    assert named(app.selectbox, "Model").options == ["cardiomegaly-adults", "pneumonia-children"]
    assert not named(app.button, "Start").disabled


def test_an_estimate_is_of_the_form_as_it_is(app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Answer:
        sentence = "About 3 h, 900 MB."

    dataset(workspace)
    monkeypatch.setattr("cxr_core.training.probe.estimate", lambda request, stop: Answer())
    open_form(app)
    named(app.button, "Estimate time and memory").click().run()
    cache.errands().find(app.session_state["desk"].draft.estimated).wait(60)
    app.run()
    assert "About 3 h, 900 MB." in words(app)
    named(app.number_input, "Epochs").set_value(9).run()
    assert "About 3 h" not in words(app)


def test_a_running_run_is_watched_and_those_that_wait_have_an_order(app: AppTest, runs: FakeRuns) -> None:
    runs.running("alpha")
    for order, name in enumerate(("beta", "gamma"), 1):
        runs.queued(name, order)
    open_page(app)
    assert "**alpha** :blue-badge[running]" in words(app)
    assert app.get("progress")[0].proto.value == 50
    assert "epoch 2 of 4 · step 20 of 40" in app.get("progress")[0].proto.text
    assert "50 films/s · learning rate 0.0003 · best epoch so far 2" in words(app)
    assert r"1\. **beta**" in words(app)
    assert r"2\. **gamma**" in words(app)
    assert app.button(key="up-beta").disabled
    app.button(key="up-gamma").click().run()
    assert not app.exception
    assert r"1\. **gamma**" in words(app)
    app.button(key="stop-beta").click().run()
    assert jobs.job("beta").state == "stopped"
    assert "Taken out" not in words(app)


def test_a_log_is_text(app: AppTest, runs: FakeRuns) -> None:
    runs.running("alpha")
    open_page(app)
    assert "<img src=x" in app.code[0].value
    assert not [each for each in app.markdown if each.proto.allow_html]


def test_five_runs_at_once_are_five_cards(app: AppTest, runs: FakeRuns) -> None:
    for number in range(5):
        runs.running(f"run-{number}")
    open_page(app)
    assert len(app.get("progress")) == 5
    assert sum(label == "Stop" for label in labels(app)) == 5


def test_stopping_says_what_happens(app: AppTest, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.running("alpha")
    told: list[str] = []
    monkeypatch.setattr(jobs, "stop", told.append)
    open_page(app)
    assert "with a checkpoint" in app.button(key="stop-alpha").help
    app.button(key="stop-alpha").click().run()
    assert told == ["alpha"]


def test_a_run_that_died_says_so_and_can_go_on(app: AppTest, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.write("alpha")
    told: list[str] = []
    monkeypatch.setattr(jobs, "resume", told.append)
    open_page(app, run="alpha")
    assert "### alpha :orange-badge[interrupted]" in words(app)
    assert "The machine was restarted while it ran" in words(app)
    assert "When it ended: " in words(app)
    assert not app.get("progress")
    app.button(key="resume-alpha").click().run()
    assert told == ["alpha"]


def test_a_failed_run_says_why_and_is_tried_again_with_a_change(
    app: AppTest, runs: FakeRuns, asked: list[Request], workspace: Path
) -> None:
    dataset(workspace)
    runs.failed("alpha", "the loss became nan at step 7. Lower the *learning rate*")
    open_page(app, run="alpha")
    assert r"the loss became nan at step 7. Lower the \*learning rate\*" in words(app)
    app.button(key="retry-alpha").click().run()
    assert not app.exception
    assert "The recipe of **alpha**" in words(app)
    named(app.number_input, "Learning rate").set_value(1e-5).run()
    named(app.button, "Start").click().run()
    assert (asked[0].retry_of, asked[0].data, asked[0].recipe.learning_rate) == ("alpha", ("films",), 1e-5)
    assert asked[0].recipe.name == "tiny"


def test_deleting_asks_first(app: AppTest, runs: FakeRuns) -> None:
    folder = runs.write("alpha")
    open_page(app, run="alpha")
    app.button(key="delete-alpha").click().run()
    assert "goes for good" in words(app)
    app.button(key="keep-alpha").click().run()
    assert folder.is_dir()
    app.button(key="delete-alpha").click().run()
    app.button(key="sure-alpha").click().run()
    assert not app.exception
    assert not folder.exists()
    assert "There is no run yet." in words(app)


def test_why_a_run_is_kept_is_said(app: AppTest, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    def delete(run: str) -> None:
        raise RunError(f"{run} is kept: the installed model tiny 1.0.0 came from it")

    runs.write("alpha")
    monkeypatch.setattr(jobs, "delete", delete)
    open_page(app, run="alpha")
    app.button(key="delete-alpha").click().run()
    app.button(key="sure-alpha").click().run()
    assert "the installed model tiny 1.0.0 came from it" in app.error[0].value


def test_a_finished_run_shows_its_figures_with_intervals(app: AppTest, runs: FakeRuns) -> None:
    runs.finished("alpha", tested=True)
    open_page(app, run="alpha")
    (row,) = app.dataframe[0].value.to_dict("records")
    assert row["Best figure"] == "0.800 (0.700 to 0.900) AUROC, test"
    assert "0.900 (0.850 to 0.940) · 40 of 400" in cells(app)
    assert "0.800 (0.700 to 0.900)" in cells(app)
    assert len(app.get("plotly_chart")) == 3
    assert app.query_params["run"] == "alpha"


def test_a_run_in_the_address_that_is_gone_is_said(app: AppTest, runs: FakeRuns) -> None:
    runs.finished("alpha")
    open_page(app, run="[x](http://a.b)")
    assert r"no run named \[x\]" in app.warning[0].value


def test_two_runs_are_compared_by_what_differs(app: AppTest, runs: FakeRuns) -> None:
    runs.finished("alpha", auroc=0.8)
    runs.finished("beta", auroc=0.85, epochs=6, learning_rate=1e-3)
    open_page(app, runs="alpha,beta")
    said = cells(app)
    assert "2 runs side by side" in words(app)
    assert all(field in said for field in ("Epochs", "Learning rate", "0.001", "0.0003"))
    assert all(same not in said for same in ("Batch size", "Backbone", "Seed"))
    assert "0.800 (0.750 to 0.840)" in said
    assert "0.850 (0.800 to 0.890)" in said
    assert "AUROC, cardiomegaly, validation" in said
    assert len(app.get("plotly_chart")) == 3
    assert app.query_params["runs"] == "beta,alpha"  # the newest first, as in the table


def test_the_table_is_filtered_by_words_and_state(app: AppTest, runs: FakeRuns) -> None:
    runs.finished("alpha")
    runs.failed("beta", "no")
    runs.write("gamma", model="other")
    open_page(app)

    def shown() -> list[str]:
        return sorted(app.dataframe[0].value["Run"])

    assert shown() == ["alpha", "beta", "gamma"]
    named(app.text_input, "Search").set_value("GAM tiny").run()
    assert shown() == ["gamma"]
    named(app.text_input, "Search").set_value("").run()
    app.segmented_control[-1].set_value("Finished").run()
    assert shown() == ["alpha"]


def test_a_run_without_test_figures_is_measured_first(
    app: AppTest, runs: FakeRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def measured(run: Path, data: tuple[str, ...], stop: object) -> None:
        asked.append((run.name, data))
        raise RunError("the data has no *test* part")

    runs.finished("alpha")
    monkeypatch.setattr(publishing, "measure_on_test", measured)
    open_page(app, run="alpha")
    assert "has not been measured on test films yet" in words(app)
    assert "Ask the gate" not in labels(app)
    app.button(key="measure-alpha").click().run()
    cache.errands().find("gate alpha").wait(60)
    app.run()
    assert asked == [("alpha", ("films",))]
    assert r"the data has no \*test\* part" in app.error[0].value
    runs.finished("alpha", tested=True)
    app.run()
    assert "Ask the gate" in labels(app)


def test_an_open_gate_is_passed_with_a_reason_for_the_change(
    app: AppTest, runs: FakeRuns, published: list[tuple[str, str, str]]
) -> None:
    runs.judged(runs.finished("alpha", tested=True), OPEN)
    open_page(app, run="alpha")
    assert "The gate is open" in app.success[0].value
    assert app.button(key="publish-alpha").disabled
    assert "say why it replaces the installed model" in words(app)
    assert not app.text_area
    app.text_input(key="note-alpha").set_value("twice the films").run()
    app.button(key="publish-alpha").click().run()
    cache.errands().find("gate alpha").wait(60)
    assert not app.exception
    assert published == [("alpha", "twice the films", "")]


def test_a_shut_gate_is_passed_only_with_a_written_reason(
    app: AppTest, runs: FakeRuns, published: list[tuple[str, str, str]]
) -> None:
    runs.judged(runs.finished("alpha", tested=True), VERDICT)
    open_page(app, run="alpha")
    assert "The gate is shut" in app.error[0].value
    assert "AUROC, pneumonia" in cells(app)
    app.text_input(key="note-alpha").set_value("newer").run()
    for nothing in ("", "   "):
        app.text_area(key="override-alpha").set_value(nothing).run()
        assert app.button(key="publish-alpha").disabled
        assert "the gate is shut. Write why" in words(app)
    app.text_area(key="override-alpha").set_value(" a drill ").run()
    app.button(key="publish-alpha").click().run()
    cache.errands().find("gate alpha").wait(60)
    assert not app.exception
    assert published == [("alpha", "newer", "a drill")]

"""What is shown of a run is what it wrote, read once, bounded however long it is."""

import json
from pathlib import Path

import pytest

from cxr_core.training.runs import progress, run_files
from cxr_core.training.runs.events import COMPUTING_OUTPUTS
from cxr_core.training.runs.progress import LOG_LINES, MAX_POINTS, RunProgress, read_progress


def step(number: int, of: int = 1000) -> dict:
    figures = {
        "loss": 1 / number,
        "learning_rate": 0.1,
        "images_per_second": 8.0,
        "eta_s": float(of - number),
    }
    return {
        "time": 1.0,
        "event": "step",
        "step": number,
        "of": of,
        "epoch": 1 + number // 100,
        **figures,
    }


def epoch(number: int, step: int) -> dict:
    figures = {
        "loss": 0.5,
        "validation_loss": 0.25 * number,
        "validation_auroc": 0.9,
        "best_epoch": 1,
        "learning_rate": 0.1,
        "images_per_second": 8.0,
    }
    return {"time": 1.0, "event": "epoch", "epoch": number, "step": step, "of": 1000, **figures}


def append(run: Path, *events: dict, end: str = "\n") -> None:
    with (run / run_files.RUN_PROGRESS).open("a") as file:
        file.write("\n".join(map(json.dumps, events)) + end)


def without_position(watched: RunProgress) -> dict:
    return {
        key: value for key, value in vars(watched).items() if key not in ("position", "quiet_s")
    }


def write_heartbeat(run: Path, heartbeat: dict) -> None:
    (run / run_files.JOB_FOLDER / run_files.HEARTBEAT).write_text(json.dumps(heartbeat))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / run_files.RUN_RECIPE).write_text('name = "tiny"\nepochs = 4\n')
    return tmp_path


def test_reading_on_gives_what_reading_anew_gives(run: Path) -> None:
    watched = read_progress(run)
    assert (watched.step, watched.epochs, watched.curves) == (None, 4, {})
    for number in range(1, 61):
        append(run, step(number), *([epoch(number // 20, number)] if number % 20 == 0 else []))
        watched = read_progress(run, watched)
        if number % 7 == 0:
            assert without_position(watched) == without_position(read_progress(run))
    assert watched.curves["loss"].steps == tuple(range(1, 61))
    assert watched.curves["loss"].values == tuple(1 / number for number in range(1, 61))
    assert watched.curves["validation_loss"].steps == (20, 40, 60)
    assert watched.curves["validation_loss"].values == (0.25, 0.5, 0.75)
    assert (watched.step, watched.steps, watched.epoch, watched.best_epoch) == (60, 1000, 3, 1)
    assert (watched.images_per_second, watched.learning_rate) == (8.0, 0.1)


def test_a_fast_run_that_reports_no_steps_has_a_curve_of_its_learning_rate(run: Path) -> None:
    append(run, step(10), epoch(1, 20), epoch(2, 40))
    assert read_progress(run).curves["learning_rate"].steps == (10, 20, 40)


def test_a_line_is_read_only_once_it_is_whole(run: Path) -> None:
    append(run, step(1))
    first = read_progress(run)
    append(run, step(2), end="")
    second = read_progress(run, first)
    assert second.curves["loss"].steps == (1,)
    append(run, end="\n")
    assert read_progress(run, second).curves["loss"].steps == (1, 2)
    append(run, end='{"event": "step", "st\n')
    assert read_progress(run, second).curves["loss"].steps == (1, 2)


def test_a_run_that_was_rewound_is_read_anew(run: Path) -> None:
    append(run, *map(step, range(1, 31)))
    before = read_progress(run)
    draft = run / "draft"
    draft.write_text("".join(json.dumps(step(number)) + "\n" for number in range(1, 11)))
    draft.rename(run / run_files.RUN_PROGRESS)
    append(run, step(11))
    after = read_progress(run, before)
    assert after.curves["loss"].steps == tuple(range(1, 12))
    assert after.step == 11


@pytest.mark.parametrize("portion", [20_000, 997])
def test_curves_are_bounded_and_cover_the_whole_run_evenly(run: Path, portion: int) -> None:
    last = 20_000 if portion == 20_000 else 9_970
    watched = read_progress(run)
    for start in range(1, last, portion):
        append(
            run,
            *(step(number, last) for number in range(start, start + portion)),
            epoch(1, start + portion - 1),
        )
        watched = read_progress(run, watched)
    curve = watched.curves["loss"]
    assert 200 <= len(curve.steps) <= MAX_POINTS + 1
    assert len(curve.steps) == len(curve.values)
    assert curve.values == tuple(1 / number for number in curve.steps)
    assert curve.steps[-1] == last
    apart = [later - earlier for earlier, later in zip(curve.steps, curve.steps[1:], strict=False)]
    assert all(gap > 0 for gap in apart)
    assert max(apart) <= 5 * last / len(apart)


def test_of_very_many_steps_few_lines_are_parsed_and_every_other_event_is(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []

    def parse_and_count(line: bytes) -> object:
        parsed.append(line)
        return run_files.parse_event_line(line)

    monkeypatch.setattr(progress, "parse_event_line", parse_and_count)
    for start in range(0, 20_000, 5_000):
        append(run, *(step(start + number, 20_000) for number in range(1, 5_001)))
        append(run, epoch(1 + start // 5_000, start + 5_000))
    append(run, step(20_001, 20_001), end='\n{"time": 1.0, "event": "step", "st\n')  # a full disk
    watched = read_progress(run)
    assert len(parsed) <= 2 * MAX_POINTS
    assert watched.curves["validation_auroc"].steps == (5_000, 10_000, 15_000, 20_000)
    assert (watched.step, watched.curves["loss"].steps[-1]) == (20_001, 20_001)


def test_the_stage_is_what_its_pulse_says(run: Path) -> None:
    (run / run_files.JOB_FOLDER).mkdir()
    decoding = {"event": "data", "stage": "decoding", "done": 3, "of": 8}
    write_heartbeat(run, {"event": decoding})
    watched = read_progress(run)
    assert (watched.stage, watched.done, watched.total) == ("Decoding.", 3, 8)
    write_heartbeat(run, {"event": {**decoding, "stage": "writing", "done": 1, "of": 1}})
    watched = read_progress(run, watched)
    assert (watched.stage, watched.done, watched.total) == ("Writing.", None, None)
    append(run, step(5, of=20))
    write_heartbeat(run, {"event": step(5, of=20)})
    watched = read_progress(run, watched)
    assert (watched.stage, watched.done, watched.total, watched.eta_s) == ("Training.", 5, 20, 15.0)
    write_heartbeat(run, {"event": {"event": "stage", "stage": "writing a checkpoint"}})
    writing = read_progress(run, watched)
    assert (writing.stage, writing.done, writing.total) == ("Writing a checkpoint.", 5, 20)
    assert (writing.unit, writing.eta_s) == ("step", 15.0)
    append(run, {**epoch(4, 20), "of": 20, "eta_s": 0.0})
    outputs = {"event": "stage", "stage": COMPUTING_OUTPUTS, "done": 64, "of": 300}
    write_heartbeat(run, {"event": outputs})
    second_pass = read_progress(run, watched)
    assert second_pass.stage == "Computing outputs for calibration."
    assert (second_pass.done, second_pass.total, second_pass.unit) == (64, 300, "film")
    assert second_pass.eta_s is None
    write_heartbeat(run, {"event": {**epoch(4, 20), "of": 20}})
    assert read_progress(run, watched).stage == "Calibrating and writing the model."


def test_the_log_is_the_end_of_what_was_written(run: Path) -> None:
    (run / run_files.JOB_FOLDER).mkdir()
    (run / run_files.JOB_FOLDER / run_files.OUTPUT).write_text(
        "".join(f"line {number} {'x' * 90}\n" for number in range(5000))
    )
    log = read_progress(run).log
    assert len(log) == LOG_LINES
    assert log[-1].startswith("line 4999 ")
    assert log[0].startswith(f"line {5000 - LOG_LINES} ")

"""How commands show their progress in a shell: a bar for what is counted, a line for everything else."""

import io

import pytest
from tqdm import std

from cxr_core.errors import DataError
from cxr_core.training.runs.events import PreparationProgress, RunBegun, RunStopped, StepDone
from train.command_line.progress import ProgressBar, create_event_display


def lines_of(out: io.StringIO) -> list[str]:
    return [line for line in out.getvalue().replace("\r", "\n").splitlines() if line.strip()]


def test_a_stage_is_a_bar_that_begins_and_ends() -> None:
    out = io.StringIO()
    bar = ProgressBar(out)
    for done in range(0, 1201, 100):
        bar("reading films", done, 1200)
    first, *_, last = lines_of(out)
    assert first.startswith("reading films  0 of 1,200  |")
    assert last.startswith("reading films  1,200 of 1,200  |")


def test_where_the_output_is_a_file_the_bar_is_not_redrawn_at_each_film() -> None:
    out = io.StringIO()
    bar = ProgressBar(out)
    for done in range(1001):
        bar("decoding", done, 1000)
    assert len(lines_of(out)) <= 3


def test_a_stage_that_is_not_counted_is_a_line() -> None:
    out = io.StringIO()
    bar = ProgressBar(out)
    bar("opening", 0, 1)
    bar("opening", 1, 1)
    assert lines_of(out) == ["opening …", "opening: done"]


def test_events_of_a_run_are_bars_and_lines() -> None:
    out = io.StringIO()
    show = create_event_display(ProgressBar(out))
    show(RunBegun(run="runs/one", device="cpu", processes=1, unmatched=(), missing=()))
    show(PreparationProgress(stage="decoding", done=0, total=40))
    show(PreparationProgress(stage="decoding", done=40, total=40))
    for step in (1, 2):
        show(
            StepDone(
                step=step,
                total_steps=2,
                epoch=1,
                loss=0.51234,
                learning_rate=0.1,
                images_per_second=9.0,
                eta_s=3.0,
            )
        )
    show(RunStopped(step=2))
    lines = lines_of(out)
    assert lines[0] == "begun: run runs/one, device cpu, processes 1"
    assert any(line.startswith("decoding  40 of 40") for line in lines)
    bars = [line for line in lines if line.startswith("training")]
    assert len(bars) == 2
    assert all(line.endswith("epoch 1, loss 0.512, 9 images/s, about 3 s left") for line in bars)
    assert lines[-1] == "stopped: step 2"


def test_a_clock_that_is_set_back_does_not_stop_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    out, clock = io.StringIO(), [1e9]
    monkeypatch.setattr(std, "time", lambda: clock[0])
    bar = ProgressBar(out)
    bar._interval_s = 0.0
    bar("decoding", 0, 100)
    clock[0] -= 86400
    for done in (20, 40):
        bar("decoding", done, 100)
    *_, last = lines_of(out)
    assert last.startswith("decoding  40 of 100")
    assert "-" not in last.rpartition("|")[2]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        return [line.rpartition("\r")[2] for line in self.getvalue().split("\n")]


def fail_while_decoding(out: Terminal) -> None:
    with ProgressBar(out) as bar:
        bar("decoding", 20, 100)
        bar.write_line("one film is damaged")
        raise DataError("the disk is full")


def test_an_error_begins_a_line_of_its_own_and_a_line_stands_above_the_bar() -> None:
    out = Terminal()
    try:
        fail_while_decoding(out)
    except DataError as error:
        out.write(str(error))
    note, bar, error_line = out.lines()
    assert (note, error_line) == ("one film is damaged", "the disk is full")
    assert bar.startswith("decoding  20 of 100")

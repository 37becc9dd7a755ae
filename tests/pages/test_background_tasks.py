"""Background tasks of the server: joined, cancelled, failed and dismissed."""

import threading
from pathlib import Path

from cxr_core.errors import DataError
from pages.components.background_tasks import BackgroundTask, BackgroundTasks


class HeldWork:
    """Work that waits to be released, and notices that it is cancelled."""

    def __init__(self) -> None:
        self.begun, self.release, self.calls = threading.Event(), threading.Event(), 0

    def __call__(self, task: BackgroundTask) -> object:
        self.calls += 1
        self.begun.set()
        for done in range(10_000):
            task.report_progress("decoding", done, 10_000)
            if self.release.wait(0.005):
                raise DataError("the work was released")
        raise AssertionError("nobody released the work")


def test_second_start_joins_the_running_task() -> None:
    work, tasks = HeldWork(), BackgroundTasks()
    first = tasks.start("prepare films", work)
    assert tasks.start("prepare films", work) is first
    assert work.begun.wait(5)
    assert tasks.list_running("prepare ") == [first]
    assert tasks.list_running("gate ") == []
    work.release.set()
    assert first.wait(5)
    assert (work.calls, first.error) == (1, "the work was released")
    assert tasks.list_ended("prepare ") == [first]
    tasks.dismiss(first)
    assert tasks.list_ended("prepare ") == []


def test_ended_task_is_replaced_by_the_next_start() -> None:
    tasks = BackgroundTasks()
    first = tasks.start("estimate", lambda task: "one")
    assert first.wait(5)
    second = tasks.start("estimate", lambda task: "two")
    assert second.wait(5)
    assert (first.result, second.result) == ("one", "two")
    assert tasks.find("estimate") is second


def test_cancelled_task_ends_at_its_next_progress_report_without_an_error() -> None:
    task = BackgroundTasks().start("prepare films", HeldWork())
    task.cancel()
    assert task.wait(5)
    assert (task.error, task.result, task.is_cancelled) == ("", None, True)


def test_operating_system_error_names_the_file() -> None:
    task = BackgroundTasks().start("export", lambda task: Path("/no/such/file").read_bytes())
    assert task.wait(5)
    assert task.error == "/no/such/file cannot be used: No such file or directory."

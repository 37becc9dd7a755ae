"""Process identities: a process is told from another one that reuses its pid, and found by its environment."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from cxr_core.workspace.process_id import (
    ProcessId,
    current_process,
    find_by_env_tag,
    identify_process,
    send_signal,
)
from tests.waiting import wait_until


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that does nothing, with a tag in its environment."""
    with subprocess.Popen(["sleep", "600"], env=os.environ | {"CXR_TEST_TAG": "a b"}) as process:
        yield process
        process.kill()


def identify(process: "subprocess.Popen[bytes]") -> ProcessId:
    process_id = identify_process(process.pid)
    assert process_id is not None
    return process_id


def test_a_process_runs_is_suspended_and_ends(sleeper: "subprocess.Popen[bytes]") -> None:
    process_id = identify(sleeper)
    assert ProcessId.from_json(process_id.to_json()) == process_id
    assert (process_id.is_running, process_id.is_suspended) == (True, False)
    assert send_signal(process_id, signal.SIGSTOP)
    wait_until(lambda: process_id.is_suspended)
    assert send_signal(process_id, signal.SIGKILL)
    wait_until(lambda: not process_id.is_running)  # a zombie: nobody has waited for it yet
    assert identify_process(sleeper.pid) is None
    sleeper.wait()
    assert not send_signal(process_id, signal.SIGKILL)


def test_another_process_with_the_same_pid_is_not_signalled(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    process_id = identify(sleeper)
    other = replace(process_id, created=process_id.created - 10, uptime_s=process_id.uptime_s - 10)
    assert not other.is_running
    assert not send_signal(other, signal.SIGKILL)
    assert sleeper.poll() is None


def test_a_process_of_another_boot_is_another_one_even_with_the_same_pid_and_uptime(
    sleeper: "subprocess.Popen[bytes]",
) -> None:
    """Services get the same pids at every boot, in the same second after it."""
    process_id = identify(sleeper)
    former = replace(process_id, created=process_id.created - 86400, boot="of the former boot")
    assert not former.is_running
    assert not send_signal(former, signal.SIGKILL)
    assert sleeper.poll() is None


def test_a_corrected_clock_does_not_change_who_a_process_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Linux moves the start of every process with the wall clock, so it is compared after the boot as well."""
    process_id = current_process()
    boot = psutil.boot_time()
    monkeypatch.setattr(psutil, "boot_time", lambda: boot + 3600)
    moved = replace(process_id, created=process_id.created + 3600)
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: moved.created)
    assert process_id.is_running


def test_processes_are_found_by_their_environment(sleeper: "subprocess.Popen[bytes]") -> None:
    wait_until(lambda: find_by_env_tag("CXR_TEST_TAG"))
    assert find_by_env_tag("CXR_TEST_TAG") == {"a b": [identify(sleeper)]}


def test_a_record_of_version_0_1_is_the_same_process() -> None:
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    record = {"pid": os.getpid(), "started": ticks, "boot": boot}
    same = ProcessId.from_json({**record, "time": 1.0})
    assert same is not None
    assert same.is_running
    assert not same.predates_boot
    earlier = ProcessId.from_json({**record, "boot": "of long ago"})
    assert earlier is not None
    assert not earlier.is_running
    assert earlier.predates_boot


@pytest.mark.parametrize(
    "record", [None, {}, {"pid": 1}, {"pid": "1", "created": 1.0, "uptime_s": 1.0}, [1]]
)
def test_a_record_without_an_identity_gives_none(record: None) -> None:
    assert ProcessId.from_json(record) is None


@pytest.mark.parametrize("pid", [-1, 2**22 + 1, 2**80])
def test_a_pid_of_no_process_gives_none(pid: int) -> None:
    assert identify_process(pid) is None
    assert not ProcessId(pid, 0.0, 0.0).is_running


def test_a_clock_set_forward_is_no_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    process_id = current_process()
    boot = psutil.boot_time()
    monkeypatch.setattr(psutil, "boot_time", lambda: boot + 86400)
    assert not process_id.predates_boot
    assert replace(process_id, boot="another").predates_boot

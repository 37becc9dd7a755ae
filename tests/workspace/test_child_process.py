"""The child-process protocol: messages, payloads, time limits, and children that fail."""

import os
import tempfile
from collections.abc import Iterator

import psutil
import pytest

from cxr_core.errors import Cancelled
from cxr_core.workspace.child_process import (
    PATIENCE_FOR_STATUS_S,
    ChildEnded,
    ChildProcess,
    ChildTimedOut,
    ended_by_time_limit,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.process

MODULE = "tests.workspace.obedient_child"


@pytest.fixture
def child() -> Iterator[ChildProcess]:
    process = ChildProcess(MODULE, ["one", "two"], environment={"CHILD_TEST": "set"})
    yield process
    process.end()


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_messages_go_there_and_back(child: ChildProcess) -> None:
    message = {"do": "echo", "text": "größer\nthan a line", "list": [1, 2.5, None, {"a": True}]}
    for _ in range(3):
        child.send(message)
        assert child.receive() == message


def test_arguments_and_environment_reach_the_child(child: ChildProcess) -> None:
    child.send({"do": "arguments"})
    assert child.receive(time_limit_s=60) == {"arguments": ["one", "two"], "variable": "set"}


def test_raw_bytes_follow_a_message_both_ways(child: ChildProcess) -> None:
    payload = os.urandom(3_000_001)
    child.send({"do": "reverse", "bytes": len(payload)}, payload)
    answer = child.receive()
    received = bytearray(int(str(answer["bytes"])))
    child.receive_payload(memoryview(received))
    assert bytes(received) == payload[::-1]


def test_a_child_ends_when_its_pipe_closes(child: ChildProcess) -> None:
    child.send({"do": "echo"})
    child.receive()
    assert child.end() == 0
    assert not child.is_running
    with pytest.raises(ChildEnded):
        child.send({"do": "echo"})


def test_a_child_that_exits_is_reported_with_its_status(child: ChildProcess) -> None:
    child.send({"do": "exit", "status": 7})
    with pytest.raises(ChildEnded):
        child.receive()
    assert child.end() == 7


@pytest.mark.parametrize("action", ["nonsense", "cut"])
def test_anything_but_a_whole_json_object_is_an_error(child: ChildProcess, action: str) -> None:
    child.send({"do": action})
    with pytest.raises(ChildEnded):
        child.receive()


def test_a_payload_that_is_too_short_is_an_error(child: ChildProcess) -> None:
    child.send({"do": "reverse", "bytes": 4}, b"abcd")
    child.receive()
    child.send({"do": "exit", "status": 0})
    with pytest.raises(ChildEnded):
        child.receive_payload(memoryview(bytearray(5)))


def test_a_time_limit_kills_the_child(child: ChildProcess) -> None:
    child.send({"do": "hang"})
    with pytest.raises(ChildTimedOut, match=r"within 0\.3 s"):
        child.receive(time_limit_s=0.3)
    wait_until(lambda: not child.is_running)


def test_a_stop_kills_the_child(child: ChildProcess) -> None:
    child.send({"do": "hang"})
    with pytest.raises(Cancelled):
        child.receive(stop=lambda: True)
    wait_until(lambda: not child.is_running)


def test_what_the_child_has_started_is_killed_with_it(child: ChildProcess) -> None:
    child.send({"do": "start another"})
    other = int(str(child.receive()["pid"]))
    assert is_alive(other)
    child.kill()
    wait_until(lambda: not is_alive(other))


def test_a_child_that_hangs_is_killed_when_it_is_ended(child: ChildProcess) -> None:
    child.send({"do": "echo"})
    child.receive()
    child.send({"do": "hang"})
    assert child.end() < 0


def test_a_child_that_ends_slowly_keeps_its_status(child: ChildProcess) -> None:
    child.send({"do": "end slowly", "status": 3})
    with pytest.raises(ChildEnded):
        child.receive()
    assert child.end(PATIENCE_FOR_STATUS_S) == 3


def test_the_error_output_can_be_kept() -> None:
    with tempfile.TemporaryFile() as output:
        child = ChildProcess(MODULE, stderr=output)
        child.send({"do": "complain"})
        child.receive()
        child.end()
        output.seek(0)
        assert output.read() == b"something is wrong\n"


def test_a_limit_on_computing_time_ends_the_child(child: ChildProcess) -> None:
    child.send({"do": "compute"})
    with pytest.raises(ChildEnded):
        child.receive()
    assert ended_by_time_limit(child.end())


def test_a_limit_on_memory_refuses_an_allocation(child: ChildProcess) -> None:
    child.send({"do": "allocate"})
    assert child.receive() == {"memory": "refused"}


def test_a_forgotten_child_ends() -> None:
    child = ChildProcess(MODULE)
    pid = child.pid
    del child
    wait_until(lambda: not is_alive(pid))

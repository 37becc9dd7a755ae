"""A child process for tests: does what each message tells it."""

import os
import subprocess
import sys
import time

from cxr_core.workspace.child_process import (
    ParentConnection,
    connect_to_parent,
    limit_computing_time,
    limit_memory,
)
from cxr_core.workspace.json_files import JsonObject


def echo(parent: ParentConnection, message: JsonObject) -> None:
    print("a library that prints must not disturb the messages")
    parent.send(message)


def reverse(parent: ParentConnection, message: JsonObject) -> None:
    payload = parent.receive_payload(int(str(message["bytes"])))
    assert payload is not None
    parent.send({"bytes": len(payload)}, payload[::-1])


def arguments(parent: ParentConnection, message: JsonObject) -> None:
    parent.send({"arguments": list(sys.argv[1:]), "variable": os.environ.get("CHILD_TEST")})


def complain(parent: ParentConnection, message: JsonObject) -> None:
    sys.stderr.write("something is wrong\n")
    sys.stderr.flush()
    parent.send({})


def leave(parent: ParentConnection, message: JsonObject) -> None:
    os._exit(int(str(message["status"])))


def nonsense(parent: ParentConnection, message: JsonObject) -> None:
    os.write(parent._answers.fileno(), b"[1, 2]\n")


def cut(parent: ParentConnection, message: JsonObject) -> None:
    os.write(parent._answers.fileno(), b'{"half": ')
    os._exit(0)


def hang(parent: ParentConnection, message: JsonObject) -> None:
    time.sleep(600)


def end_slowly(parent: ParentConnection, message: JsonObject) -> None:
    """As a process ends on a busy machine: nothing more is sent, and a while later it is gone."""
    parent._answers.close()
    time.sleep(2)
    os._exit(int(str(message["status"])))


def start_another(parent: ParentConnection, message: JsonObject) -> None:
    another = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    parent.send({"pid": another.pid})


def compute(parent: ParentConnection, message: JsonObject) -> None:
    limit_computing_time(0.2)
    while True:
        pass


def allocate(parent: ParentConnection, message: JsonObject) -> None:
    limit_memory(300 << 20)
    try:
        bytearray(1 << 30)
    except MemoryError:
        parent.send({"memory": "refused"})


ACTIONS = {
    "echo": echo,
    "reverse": reverse,
    "arguments": arguments,
    "complain": complain,
    "exit": leave,
    "nonsense": nonsense,
    "cut": cut,
    "hang": hang,
    "end slowly": end_slowly,
    "start another": start_another,
    "compute": compute,
    "allocate": allocate,
}


def main() -> None:
    parent = connect_to_parent()
    while (message := parent.receive()) is not None:
        ACTIONS[str(message["do"])](parent, message)


if __name__ == "__main__":
    main()

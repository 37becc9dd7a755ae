"""A child process for tests: does what each message tells it."""

import os
import subprocess
import sys
import time

from cxr_core.workspace.child_process import (
    connect_to_parent,
    limit_computing_time,
    limit_memory,
)


def main() -> None:
    parent = connect_to_parent()
    while (message := parent.receive()) is not None:
        action = message["do"]
        if action == "echo":
            print("a library that prints must not disturb the messages")
            parent.send(message)
        elif action == "reverse":
            payload = parent.receive_payload(int(str(message["bytes"])))
            assert payload is not None
            parent.send({"bytes": len(payload)}, payload[::-1])
        elif action == "arguments":
            parent.send({"arguments": list(sys.argv[1:]), "variable": os.environ.get("CHILD_TEST")})
        elif action == "complain":
            sys.stderr.write("something is wrong\n")
            sys.stderr.flush()
            parent.send({})
        elif action == "exit":
            os._exit(int(str(message["status"])))
        elif action == "nonsense":
            os.write(parent._answers.fileno(), b"[1, 2]\n")
        elif action == "cut":
            os.write(parent._answers.fileno(), b'{"half": ')
            os._exit(0)
        elif action == "hang":
            time.sleep(600)
        elif action == "start another":
            another = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            parent.send({"pid": another.pid})
        elif action == "compute":
            limit_computing_time(0.2)
            while True:
                pass
        elif action == "allocate":
            limit_memory(300 << 20)
            try:
                bytearray(1 << 30)
            except MemoryError:
                parent.send({"memory": "refused"})


if __name__ == "__main__":
    main()

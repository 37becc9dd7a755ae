"""Connects to a Ray cluster, and says in a sentence why there is none.

Source: https://docs.ray.io/en/latest/ray-core/api/doc/ray.init.html
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from cxr_core.errors import ScaleError
from cxr_core.workspace.paths import ROOT, printable, workspace

CLIENT = "ray://"  # of an address that is reached through Ray's client server
HERE = "ray"  # a cluster of this machine alone, started for the command
CONNECT_LIMIT_S = 10.0
FORWARDED = ("CXR_BACKEND",)  # what decides how films are read, the same on all nodes
INSTALL = "install it with: pip install '.[cluster]'"


def require_package(name: str, purpose: str) -> ModuleType:
    """An optional package of the extra `cluster`. purpose: what needs it. Raises ScaleError where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ScaleError(
            f"{purpose} needs the package {name.partition('.')[0]}; {INSTALL}"
        ) from None


@contextmanager
def connect_to_cluster(address: str, purpose: str) -> Iterator[ModuleType]:
    """Ray, connected to a cluster while the block runs.

    address: `ray://HOST:PORT`, `HOST:PORT` of the head node, `auto` for the cluster that this machine belongs to, or
    `ray` for one that is started here. Every node has this program, the same workspace and the same films under the
    same paths. Raises ScaleError where there is no cluster, or one of another version.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # A node without a GPU must not hide the GPUs that a task was not given.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray = require_package("ray", purpose)
    if address not in (HERE, "auto"):
        _require_listener(address)
    environment = build_node_environment() | {"OMP_NUM_THREADS": "1"}
    try:
        with _keep_stop_handler():
            ray.init(
                address="local" if address == HERE else address,
                runtime_env={"env_vars": environment},
                log_to_driver=False,
                logging_level="ERROR",
                configure_logging=False,
                # Its web page costs seconds of a short command; another cluster has its own.
                include_dashboard=False if address == HERE else None,
            )
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise ScaleError(_explain(address, str(error))) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def build_node_environment() -> dict[str, str]:
    """The environment variables with which every node runs this program as this machine does."""
    return {
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).strip(":"),
        "CXR_WORKSPACE": os.path.abspath(workspace()),
        **{name: os.environ[name] for name in FORWARDED if name in os.environ},
    }


@contextmanager
def _keep_stop_handler() -> Iterator[None]:
    """Ray ends the process at a SIGTERM; here that signal asks a command to stop, so its handler is put back."""
    handler = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


def _require_listener(address: str) -> None:
    """Raises ScaleError for an address that nobody listens at; Ray itself would try for minutes."""
    host, _, port = address.removeprefix(CLIENT).rpartition(":")
    if not host or not port.isdecimal():
        raise ScaleError(
            f"{printable(address)!r:.120} is not the address of a cluster; give ray://HOST:PORT, HOST:PORT, "
            "auto, or local"
        )
    try:
        socket.create_connection((host, int(port)), CONNECT_LIMIT_S).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ScaleError(_explain(address, reason)) from error


def _explain(address: str, reason: str) -> str:
    first = next((line.strip() for line in reason.splitlines() if line.strip()), "no answer")
    if "version" in reason.lower() and "mismatch" in reason.lower():
        return (
            f"the cluster at {printable(address)} runs another version of Ray or Python: {reason.strip()}. Install the "
            "same versions on all nodes"
        )
    return (
        f"there is no Ray cluster at {printable(address)} ({first:.200}). Start one with `ray start --head`, or use "
        "--on local"
    )

"""A Ray cluster of this machine, and the processes that work for it."""

import os
from typing import Any

import psutil
import pytest

NODE = {"num_cpus": 1, "object_store_memory": 200 << 20}


def start_cluster(nodes: int) -> Any:
    """A cluster with so many nodes of one core. Skips the test without Ray."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="needs the extra `cluster`")
    # Ray's workers give way to all other processes: on a busy machine tests would wait for them for many minutes.
    settings = {"worker_niceness": 0}
    head = {**NODE, "include_dashboard": False, "_system_config": settings}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args=head)
    for _ in range(nodes - 1):
        cluster.add_node(**NODE)
    return cluster


def list_workers(kind: str) -> list[psutil.Process]:
    """The processes that work for a cluster, by the function or the actor they run."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(word.startswith(f"ray::{kind}") for word in process.info["cmdline"] or ())
    ]

"""A Ray cluster of two nodes of one core on this machine, for all tests of a process."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def cluster() -> Iterator[object]:
    """A cluster that tests may kill processes of, but no node."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="needs the extra `cluster`")
    node = {"num_cpus": 1, "object_store_memory": 200 << 20}
    two_nodes = cluster_utils.Cluster(
        initialize_head=True, head_node_args={**node, "include_dashboard": False}
    )
    two_nodes.add_node(**node)
    yield two_nodes
    two_nodes.shutdown()

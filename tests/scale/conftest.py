"""A Ray cluster of two nodes of one core on this machine, for all tests of a process."""

from collections.abc import Iterator

import pytest

from tests.scale.local_cluster import start_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[object]:
    """A cluster that tests may kill processes of, but no node."""
    two_nodes = start_cluster(2)
    yield two_nodes
    two_nodes.shutdown()

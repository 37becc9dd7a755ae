"""A Ray cluster of two nodes of one core on this machine, for the tests of a process, and the model it uses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cxr_core.models.registry.active_version import list_active_versions, retire_model
from tests.scale.local_cluster import start_cluster
from tests.tiny import tiny_model


@pytest.fixture(scope="session")
def cluster() -> Iterator[object]:
    """A cluster that tests may kill processes of, but no node."""
    two_nodes = start_cluster(2)
    yield two_nodes
    two_nodes.shutdown()


@pytest.fixture
def installed(workspace: Path) -> Path:
    """One tiny model; the processes of a cluster see the shipped ones too, so these are retired."""
    for shipped in list_active_versions():
        retire_model(shipped.folder.parent.name, "a test reads with a tiny model")
    return tiny_model(workspace / "models")

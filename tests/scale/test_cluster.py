"""A cluster is used without losing what the command does by itself."""

import os
import signal

import pytest

from cxr_core.scale.cluster import connect_to_cluster

pytestmark = pytest.mark.process


def test_a_command_on_a_cluster_can_still_be_asked_to_stop(cluster):
    received = []
    former = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    try:
        with connect_to_cluster(cluster.address, "a test"):
            os.kill(os.getpid(), signal.SIGTERM)
        assert received == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, former)

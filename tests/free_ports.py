"""Ports of this computer that nobody uses now."""

import socket


def find_free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def find_free_port() -> int:
    return find_free_ports(1)[0]

"""What tests of the service share: a served app, films, and clients that write their requests by hand."""

import io
import re
import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
from PIL import Image

from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom

READ = "/api/v1/read"


def draw_film(seed: int, side: int = 512) -> bytes:
    """A drawn chest as a plain PNG, without the mark of a drawing."""
    pixels = draw_phantom(PhantomSpec(seed=seed, height=side, width=side)).pixels
    buffer = io.BytesIO()
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def connect(address: str) -> socket.socket:
    """A connection to a server."""
    port = urlsplit(address).port
    assert port is not None
    return socket.create_connection(("localhost", port), timeout=60)


def write_head(path: str = READ, method: str = "POST", **headers: object) -> bytes:
    """The head of a request, by hand."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def read_answer(connection: socket.socket) -> str:
    """Everything that a server sends until it closes the connection or half a second passes."""
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
            connection.settimeout(0.5)
    except (TimeoutError, ConnectionError):
        pass
    return b"".join(parts).decode()


def count(address: str, figure: str) -> float:
    """A figure of /metrics; 0 where it is not there yet."""
    text = httpx.get(f"{address}/metrics").text
    found = re.search(rf"^{re.escape(figure)} ([\d.e+]+)$", text, re.M)
    return float(found[1]) if found else 0.0


class Hold:
    """While the file exists, no reading ends."""

    def __init__(self, workspace: Path):
        self._file = workspace / "hold"

    def __enter__(self) -> "Hold":
        self._file.touch()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Let readings end."""
        self._file.unlink(missing_ok=True)

"""Requests by another host name or from another site's page are refused before Streamlit sees them."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import httpx
import pytest
import streamlit as st
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from pages.components import cache, server
from pages.components.server import HEADERS, list_allowed_hosts, prepare_server
from tests.browser.served_app import FAKE_READER, serve

REBOUND = "rebound.example"  # a name of somebody else's that was pointed at this computer
pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_ALLOWED_HOSTS", "xray.example.org, [fd00::7]")
        yield from serve(FAKE_READER, tmp_path_factory.mktemp("workspace"))


def send_request(address: str, request: str, **headers: str) -> str:
    """The first bytes that a server answers to a request that is written by hand."""
    lines = [f"{request} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    port = urlsplit(address).port
    assert port is not None
    with socket.create_connection(("localhost", port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        return connection.recv(4096).decode()


def open_web_socket(address: str, host: str, origin: str | None) -> int:
    """The status with which a server answers the opening of a web socket: 101 when it opens."""
    parts = urlsplit(address)
    assert parts.port is not None
    origin_headers = {} if origin is None else {"Origin": origin}
    try:
        with connect(
            f"ws://{host}/_stcore/stream",
            sock=socket.create_connection(("localhost", parts.port), timeout=30),
            additional_headers=origin_headers,
            subprotocols=[Subprotocol("streamlit")],
            proxy=None,
        ):
            return 101
    except InvalidStatus as refusal:
        return refusal.response.status_code


@pytest.mark.parametrize(
    "host",
    [
        "localhost:8501",
        "localhost.",
        "127.0.0.1",
        "127.0.0.1:80",
        "[::1]:8501",
        "xray.example.org",
        "[fd00::7]",
    ],
)
def test_allowed_hosts_are_answered(address: str, host: str) -> None:
    assert send_request(address, "GET /_stcore/health", Host=host).startswith("HTTP/1.1 200")
    assert open_web_socket(address, host, f"https://{host}") == 101


@pytest.mark.parametrize(
    "host",
    [
        REBOUND,
        f"{REBOUND}:8501",
        "localhost.rebound.example",
        "localhost@rebound.example",
        "[::2]",
        "",
        "<b>localhost</b>",
    ],
)
def test_other_hosts_are_refused(address: str, host: str) -> None:
    for request in ("GET /", "PUT /_stcore/upload_file/a/b", "GET /_stcore/health"):
        answer = send_request(address, request, Host=host)
        assert answer.startswith(("HTTP/1.1 403", "HTTP/1.1 400"))
        assert REBOUND not in answer
        assert "<b>" not in answer


def test_rebound_page_cannot_open_a_web_socket(address: str) -> None:
    assert open_web_socket(address, REBOUND, f"http://{REBOUND}") == 403


@pytest.mark.parametrize(
    "origin", [f"http://{REBOUND}", "null", "file://", f"http://localhost@{REBOUND}"]
)
def test_pages_of_another_site_are_refused(address: str, origin: str) -> None:
    headers = {"Host": "localhost", "Origin": origin}
    for request in ("GET /", "PUT /_stcore/upload_file/a/b"):
        assert send_request(address, request, **headers).startswith("HTTP/1.1 403")
    assert open_web_socket(address, "localhost", origin) == 403


def test_two_host_headers_are_refused(address: str) -> None:
    answer = send_request(address, "GET /", Host="localhost", host=REBOUND)
    assert answer.startswith(("HTTP/1.1 403", "HTTP/1.1 400"))


def test_refusal_says_how_to_allow_a_name(address: str) -> None:
    answer = httpx.get(address, headers={"Host": REBOUND})
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "CXR_ALLOWED_HOSTS" in answer.text


def test_every_response_carries_the_headers(address: str) -> None:
    for path, host in (("/", "localhost"), ("/_stcore/health", "localhost"), ("/", REBOUND)):
        answer = httpx.get(address + path, headers={"Host": host})
        assert (
            HEADERS.items()
            <= {name.title(): value for name, value in answer.headers.items()}.items()
        )


def test_an_address_that_is_served_on_purpose_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.get_option", lambda name: "192.0.2.7")
    assert "192.0.2.7" in list_allowed_hosts()
    monkeypatch.setattr("streamlit.get_option", lambda name: "0.0.0.0")
    assert "0.0.0.0" not in list_allowed_hosts()


def test_hosts_are_named_with_or_without_scheme_port_and_final_dot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = "xray.example.org:8501, https://b.example, C.example., fd00::7, [fd00::8]:443,"
    monkeypatch.setenv("CXR_ALLOWED_HOSTS", names)
    named = set(list_allowed_hosts()) - {"localhost", "127.0.0.1", "::1"}
    assert named == {"xray.example.org", "b.example", "c.example", "fd00::7", "fd00::8"}


@pytest.mark.parametrize("name", ["*.example.org", "https://b.example/read", "b.example c.example"])
def test_what_is_no_host_name_ends_the_start_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv("CXR_ALLOWED_HOSTS", f"xray.example.org, {name}")
    with pytest.raises(SystemExit) as end:
        server.require_safe_settings()
    assert end.value.code == server.BAD_SETTINGS
    assert f"CXR_ALLOWED_HOSTS names {name!r}, which is no host name" in capsys.readouterr().err


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets the server start, until it answers, without its lasting changes to this process."""
    monkeypatch.setattr(server, "overwrite_freed_memory", lambda: None)
    monkeypatch.setattr(server, "keep_upload_answers", lambda: None)

    async def start() -> None:
        async with prepare_server(st.App("app.py")):
            pass

    return lambda: asyncio.run(start())


def test_models_are_loaded_before_the_server_answers(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[], None]
) -> None:
    loaded = []
    monkeypatch.setattr(cache, "warm_models", lambda: loaded.append(time.sleep(0.2)))
    answer()
    assert loaded


def test_a_server_answers_although_a_model_never_ends_loading(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[], None]
) -> None:
    goes_on = threading.Event()
    monkeypatch.setattr(cache, "warm_models", goes_on.wait)
    monkeypatch.setattr(server, "MODELS_WITHIN_S", 0.1)
    answer()
    assert not goes_on.is_set()
    goes_on.set()

"""The OpenAPI description is sound, and true to the routes, the options and the constants of the program."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.applications import Starlette

from cxr_core.reading.read_options import PARSERS
from pages.components.service.description import describe_service
from pages.components.service.routes import PATHS, SWITCHED_OFF, is_service_path, service_routes
from tests.service.clients import READ

DESCRIPTION = describe_service()


def send(method: str, path: str, **headers: str) -> httpx.Response:
    """One request to the service by itself, without a server, pages and models."""

    async def request() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=service_routes()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, headers=headers)

    # In a thread of its own: a browser test before this one may have left an event loop running in this one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(request())).result()


@pytest.fixture
def switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXR_SERVICE", "on")


def test_the_description_is_sound() -> None:
    assert list(OpenAPIV31SpecValidator(DESCRIPTION).iter_errors()) == []


def test_a_broken_description_would_be_noticed() -> None:
    broken: dict[str, Any] = {**DESCRIPTION, "paths": {READ: {"post": {"responses": {"200": {}}}}}}
    assert list(OpenAPIV31SpecValidator(broken).iter_errors()) != []


def test_every_path_is_described_with_its_method_and_no_other(switched_on: None) -> None:
    assert set(DESCRIPTION["paths"]) == set(PATHS)
    for path, methods in DESCRIPTION["paths"].items():
        refused = send("DELETE", path)
        assert refused.status_code == 405
        allowed = set(refused.headers["Allow"].lower().split(", ")) - {"head"}
        assert set(methods) == allowed
        assert "use" in refused.json()["error"]


def test_the_options_of_a_reading_are_the_described_ones() -> None:
    described = DESCRIPTION["paths"][READ]["post"]["parameters"]
    assert [option["name"] for option in described] == list(PARSERS)


def test_the_served_description_is_this_one(switched_on: None) -> None:
    assert send("GET", "/api/v1/openapi.json").json() == DESCRIPTION


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v1/read/", "/api/v2/read", "/api/%2e"])
def test_an_unknown_path_says_where_the_known_ones_are(switched_on: None, path: str) -> None:
    answer = send("POST", path)
    assert answer.status_code == 404
    assert "/api/v1/openapi.json" in answer.json()["error"]


@pytest.mark.parametrize("value", ["", "off", "0", "yes"])
def test_a_server_without_the_service_says_how_to_switch_it_on(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CXR_SERVICE", value)
    for path in (*PATHS, "/api/v1/anything"):
        for method in ("GET", "POST"):
            answer = send(method, path)
            assert (answer.status_code, answer.json()) == (404, {"error": SWITCHED_OFF})


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_browser_sends_for_another_page_is_refused(switched_on: None, site: str) -> None:
    for path in PATHS:
        answer = send("GET", path, **{"Sec-Fetch-Site": site})
        assert answer.status_code == 403
        assert "cannot call it" in answer.json()["error"]
        assert "access-control-allow-origin" not in answer.headers
    assert send("GET", "/healthz", **{"Sec-Fetch-Site": "same-origin"}).status_code == 200
    assert send("GET", "/healthz", **{"Sec-Fetch-Site": "none"}).status_code == 200


def test_pages_keep_their_paths() -> None:
    assert not any(map(is_service_path, ("/", "/train", "/models", "/apiary", "/_stcore/health")))
    assert all(map(is_service_path, PATHS))

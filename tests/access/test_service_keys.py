"""The service of an app with sign-in answers programs that have a key, and tells the others what is missing."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cxr_core.access.actor import LOCAL
from cxr_core.access.api_keys import add_key, revoke_key
from cxr_core.errors import AccessRefused
from pages.components.service.keys import find_sender
from tests.access.provider import serve_locked_app
from tests.service.clients import READ, draw_film

pytestmark = pytest.mark.process
LOCKED = (READ, "/api/v1/models", "/api/v1/openapi.json", "/metrics", "/api/v1/nothing")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_WORKSPACE", str(folder))
        patch.setenv("CXR_SERVICE", "on")
        yield folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with serve_locked_app(folder) as address:
        yield address


def ask(
    address: str, path: str, authorization: str | None = None, **headers: str
) -> httpx.Response:
    if authorization is not None:
        headers["Authorization"] = authorization
    method, content = ("POST", draw_film(3)) if path == READ else ("GET", None)
    return httpx.request(method, address + path, headers=headers, content=content, timeout=120)


@pytest.mark.parametrize("path", LOCKED)
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer cxr_wrong", "Basic YTpi", "cxr_wrong"],
)
def test_without_a_key_only_health_is_told(
    address: str, path: str, authorization: str | None
) -> None:
    answer = ask(address, path, authorization)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert set(answer.json()) == {"error"}
    assert "API key" in answer.json()["error"]


def test_health_and_readiness_need_no_key(address: str) -> None:
    assert ask(address, "/healthz").status_code == 200
    assert ask(address, "/readyz").json()


def test_a_key_opens_the_service_until_it_is_revoked(address: str, folder: Path) -> None:
    key = add_key("pacs-router").secret
    answer = ask(address, READ, f"Bearer {key}")
    assert answer.status_code == 200
    assert answer.json()["status"] == "read"
    assert ask(address, "/metrics", f"bearer {key}").status_code == 200
    described = ask(address, "/api/v1/openapi.json", f"Bearer {key}").json()
    assert described["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"
    assert described["paths"]["/healthz"]["get"]["security"] == []
    revoke_key("pacs-router")
    refused = ask(address, READ, f"Bearer {key}")
    assert refused.status_code == 401
    assert "pacs-router was revoked" in refused.json()["error"]
    lines = (folder / "audit/audit-000001.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    (reading,) = [entry for entry in entries if entry["action"] == "reading"]
    assert (reading["who"], reading["role"]) == ("key:pacs-router", "reader")
    refusals = [entry for entry in entries if entry["action"] == "API request"]
    assert refusals
    assert len(refusals) < 10  # of more than thirty requests


def test_a_film_is_not_uploaded_to_the_page_without_sign_in(address: str) -> None:
    for cookies in ({}, {"_streamlit_user": "forged"}):
        answer = httpx.put(
            f"{address}/_stcore/upload_file/session/file",
            files={"file": draw_film(3)},
            headers={"Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())},
        )
        assert answer.status_code == 401


def test_without_sign_in_a_key_is_needed_once_there_is_one(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pages.components.service.keys.load_sign_in", lambda: None)
    assert find_sender("") == LOCAL
    key = add_key("pacs-router").secret
    assert find_sender(f"Bearer {key}").name == "key:pacs-router"
    revoke_key("pacs-router")
    with pytest.raises(AccessRefused, match="needs an API key"):
        find_sender("")

"""All requests without a valid key stand in the audit log, in few lines; none is lost when a server ends."""

import asyncio
import json
from pathlib import Path

import pytest
import streamlit as st
from starlette.types import Message, Receive, Scope, Send

from cxr_core.access.api_keys import add_key
from cxr_core.access.audit import audit_folder
from pages.components import cache, server
from pages.components.service import keys, refused_requests
from pages.components.service.keys import KeyGuard
from pages.components.service.refused_requests import RefusedRequests
from tests.service.clients import READ
from tests.waiting import wait_until

CHANGES = (
    "use_actors_of",
    "keep_upload_answers",
    "keep_freed_memory",
    "overwrite_freed_memory",
    "erase_in_server_too",
)


@pytest.fixture
def guard(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> KeyGuard:
    """What stands before the service of a workspace that has a key, on a server that has refused nothing yet."""
    requests = RefusedRequests()
    for module in (keys, server):
        monkeypatch.setattr(module, "refused_requests", requests)
    add_key("pacs-router")
    return KeyGuard(answer_nothing)


async def answer_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    pytest.fail("a request without a key got in")


async def send_without_key(guard: KeyGuard, times: int) -> None:
    """Send so many requests at once."""

    async def ignore(message: Message) -> None:
        pass

    async def receive() -> Message:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "POST", "path": READ, "headers": []}
    await asyncio.gather(*(guard(scope, receive, ignore) for _ in range(times)))


def list_counts() -> list[int]:
    """How many requests each line of the audit log tells of."""
    lines = (audit_folder() / "audit-000001.jsonl").read_text().splitlines()
    refusals = [entry for entry in map(json.loads, lines) if entry["action"] == "API request"]
    assert {(each["who"], each["outcome"]) for each in refusals} <= {("unknown key", "refused")}
    return [each.get("times", 1) for each in refusals]


def test_all_refused_requests_are_recorded_though_none_follows(
    guard: KeyGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused_requests, "RECORD_EVERY_S", 1.0)
    asyncio.run(send_without_key(guard, 40))
    wait_until(lambda: sum(list_counts()) == 40)
    assert len(list_counts()) < 10


def test_a_server_that_ends_records_the_requests_that_it_has_refused(
    guard: KeyGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CHANGES:
        monkeypatch.setattr(server, name, lambda *_: None)
    monkeypatch.setattr(cache, "warm_models", lambda: None)

    async def serve() -> None:
        async with server.prepare_server(st.App("app.py")):
            await send_without_key(guard, 1)
            await send_without_key(guard, 7)

    asyncio.run(serve())
    assert list_counts() == [1, 7]

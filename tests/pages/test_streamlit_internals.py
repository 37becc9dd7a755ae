"""The undocumented parts of Streamlit: there in the pinned version, and done without where they are missing."""

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest

from pages.components import streamlit_internals
from pages.components.streamlit_internals import (
    find_internals,
    keep_upload_answers,
    release_uploads,
)
from tests.pages.app_bench import visible_text


@pytest.fixture(autouse=True)
def _look_again() -> None:
    find_internals.cache_clear()


def test_pinned_version_has_every_part() -> None:
    pinned = (Path(__file__).parents[2] / "requirements.txt").read_text(encoding="utf-8")
    assert f"streamlit=={streamlit_internals.TESTED_VERSION}\n" in pinned
    assert st.__version__ == streamlit_internals.TESTED_VERSION
    assert find_internals() is not None


def test_missing_part_is_logged_once_with_the_version_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(PagesManager, "uses_pages_directory")
    with caplog.at_level(logging.WARNING):
        assert find_internals() is None
        assert find_internals() is None
    (record,) = caplog.records
    assert "uses_pages_directory" in record.message
    assert f"Install streamlit=={streamlit_internals.TESTED_VERSION}" in record.message


def test_without_the_parts_uploads_are_left_to_streamlit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamlit_internals, "find_internals", lambda: None)
    release_uploads([SimpleNamespace(name="a.png", file_id="1", getvalue=lambda: b"")])


def test_without_the_parts_a_page_explains_how_to_reach_the_app(
    app: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamlit_internals, "find_internals", lambda: None)
    app.switch_page("pages/models.py").run()
    assert not app.exception
    assert "open the [start page](/)" in visible_text(app)
    assert app.title[0].value == "Models"


def test_a_run_that_begins_does_not_drop_the_answer_to_an_upload(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ForwardMsgQueue, "clear", ForwardMsgQueue.clear)  # put back afterwards
    keep_upload_answers()
    keep_upload_answers()  # a second server in one process changes nothing
    queue = ForwardMsgQueue()
    answer, old_text = ForwardMsg(), ForwardMsg()
    answer.file_urls_response.response_id = "upload-1"
    old_text.delta.new_element.markdown.body = "of the run before"
    for message in (old_text, answer):
        queue.enqueue(message)
    queue.clear(retain_lifecycle_msgs=True)
    queue.clear(retain_lifecycle_msgs=True, fragment_ids_this_run=["fragment"])
    assert queue.flush() == [answer]
    assert queue.is_empty()

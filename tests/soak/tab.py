"""A browser tab without a browser: speaks Streamlit's web socket protocol with a served app."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileURLs, UploadedFileInfo
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import connect
from websockets.typing import Subprotocol

XSRF_COOKIE = "_streamlit_xsrf"
RERUNS = ForwardMsg.FINISHED_EARLY_FOR_RERUN
ANSWER_WITHIN_S = 300.0


class Tab:
    """One session of a served app, and the elements that its page shows."""

    def __init__(self, address: str):
        self.elements: dict[tuple[int, ...], Element] = {}
        self.session_id = ""
        self.exceptions: list[str] = []
        self._open = ExitStack()
        self.http = self._open.enter_context(
            httpx.Client(base_url=address, timeout=ANSWER_WITHIN_S)
        )
        self.http.get("/_stcore/health")
        self._xsrf = self.http.cookies.get(XSRF_COOKIE, "")
        socket = connect(
            address.replace("http", "ws") + "/_stcore/stream",
            subprotocols=[Subprotocol(name) for name in ("streamlit", self._xsrf) if name],
            additional_headers={"Origin": address, "Cookie": f"{XSRF_COOKIE}={self._xsrf}"},
            max_size=None,
            proxy=None,
        )
        self._socket = self._open.enter_context(socket)
        self.run()

    def run(self, *states: WidgetState) -> None:
        """Run the page with these states of widgets, until it is complete."""
        message = BackMsg()
        message.rerun_script.query_string = ""
        message.rerun_script.widget_states.widgets.extend(states)
        self._socket.send(message.SerializeToString())
        shown: dict[tuple[int, ...], Element] = {}
        for answer in self._receive():
            kind = answer.WhichOneof("type")
            if kind == "new_session":
                self.session_id = answer.new_session.initialize.session_id or self.session_id
                shown = {}
            elif kind == "delta" and answer.delta.WhichOneof("type") == "new_element":
                shown[tuple(answer.metadata.delta_path)] = answer.delta.new_element
            elif kind == "script_finished" and answer.script_finished != RERUNS:
                break
        self.elements = shown
        self.exceptions += [
            element.exception.message for element in shown.values() if element.HasField("exception")
        ]

    def upload(self, name: str, data: bytes) -> None:
        """Drop one file on the page's first file uploader, and wait until the page is complete."""
        uploader = next(
            element.file_uploader
            for element in self.elements.values()
            if element.HasField("file_uploader")
        )
        urls = self._ask_upload_url(name)
        answer = self.http.put(
            urls.upload_url,
            files={"file": (name, data)},
            headers={"X-Xsrftoken": self._xsrf},
        )
        answer.raise_for_status()
        state = WidgetState(id=uploader.id)
        info = UploadedFileInfo(name=name, size=len(data), file_id=urls.file_id, file_urls=urls)
        state.file_uploader_state_value.uploaded_file_info.append(info)
        self.run(state)

    def click(self, label: str) -> None:
        """Click a button, and wait until the page is complete."""
        button = next(
            element.button
            for element in self.elements.values()
            if element.HasField("button") and element.button.label == label
        )
        self.run(WidgetState(id=button.id, trigger_value=True))

    def alerts(self) -> list[str]:
        """The page's errors, warnings and notices."""
        return [each.alert.body for each in self.elements.values() if each.HasField("alert")]

    def contents(self) -> list[bytes]:
        """Everything that the page's elements hold, as it is sent."""
        return [element.SerializeToString() for element in self.elements.values()]

    def shows(self, text: str) -> bool:
        """Whether any element of the page holds a text, in whatever field."""
        return any(text.encode() in content for content in self.contents())

    def close(self) -> None:
        """Close the tab."""
        self._open.close()

    def _receive(self) -> Iterator[ForwardMsg]:
        while True:
            yield ForwardMsg.FromString(self._socket.recv(timeout=ANSWER_WITHIN_S, decode=False))

    def _ask_upload_url(self, name: str) -> FileURLs:
        message = BackMsg()
        message.file_urls_request.request_id = "1"
        message.file_urls_request.file_names.append(name)
        message.file_urls_request.session_id = self.session_id
        self._socket.send(message.SerializeToString())
        answer = next(answer for answer in self._receive() if answer.HasField("file_urls_response"))
        return answer.file_urls_response.file_urls[0]


@contextmanager
def open_tab(address: str) -> Iterator[Tab]:
    """A tab, closed at the end of the block."""
    tab = Tab(address)
    try:
        yield tab
    finally:
        tab.close()

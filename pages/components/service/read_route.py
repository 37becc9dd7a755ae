"""Reads the film of a request in the queue that the pages use too, and answers with the JSON of `read --json`."""

import asyncio
import threading
import time
from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cxr_core.access.audit import record_reading
from cxr_core.errors import Cancelled, FilmRefused, ReadingError, SettingsError
from cxr_core.reading.interpret import interpret
from cxr_core.reading.read_options import ReadOptions, parse_options
from cxr_core.reading.results import Reading
from cxr_core.workspace.log import log_task
from pages.components import cache
from pages.components.service.accepted import DICOM, choose_media_type
from pages.components.service.admission import Admission
from pages.components.service.dicom_result import ReportMaker
from pages.components.service.metrics import Metrics
from pages.components.service.own_thread import run_in_own_thread
from pages.components.service.request_body import ReceivedFilm, receive_film

HEADERS = {"Cache-Control": "no-store", "Vary": "Accept"}


class ReadRoute:
    """POST /api/v1/read."""

    def __init__(self, admission: Admission, metrics: Metrics):
        self._admission, self._metrics = admission, metrics
        self._reports = ReportMaker()

    async def answer(self, request: Request) -> Response:
        """The reading of the film in a request. What is wrong with the request is an HTTPException."""
        started = time.perf_counter()
        try:
            options = parse_options(request.query_params.multi_items())
        except SettingsError as error:
            raise HTTPException(400, str(error)) from None
        as_dicom = choose_media_type(request.headers.getlist("accept")) == DICOM
        with self._admission.enter():
            film = await receive_film(request)
            gone = threading.Event()
            watch = asyncio.create_task(_watch_client(request, gone))
            try:
                reading, response = await run_in_own_thread(
                    partial(self._read, film, options, as_dicom, gone)
                )
            finally:
                watch.cancel()
            self._admission.count_reading(reading.seconds)
        self._metrics.count_reading(reading, time.perf_counter() - started)
        return response

    def _read(
        self, film: ReceivedFilm, options: ReadOptions, as_dicom: bool, gone: threading.Event
    ) -> tuple[Reading, Response]:
        """Wait for a place among all readings of this server, and read. Raises Cancelled once the client has gone."""

        def leave_if_gone(_: int = 0) -> None:
            if gone.is_set():
                raise Cancelled("the client has gone")

        with cache.reading_queue().take_turn(leave_if_gone), log_task("reading"):
            leave_if_gone()
            examination = cache.load_reader().examine(film.data)
        record_reading(examination.sha256, [output.card for output in examination.outputs])
        reading = interpret(
            examination,
            options.patient,
            options.decision,
            options.prevalence,
            cache.load_site_profile(),
        )
        cache.site_watcher().add(reading)
        if not as_dicom:
            return reading, JSONResponse(reading.to_json(film.name), headers=HEADERS)
        try:
            report = self._reports.make_report(film.data, examination, reading)
        except (FilmRefused, ReadingError) as refusal:
            reason = reading.reason or str(refusal)
            raise HTTPException(
                406, f"There is no structured report of this film. {reason}"
            ) from None
        return reading, Response(report, media_type=DICOM, headers=HEADERS)


async def _watch_client(request: Request, gone: threading.Event) -> None:
    """Note when the client hangs up. The body was received whole before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()

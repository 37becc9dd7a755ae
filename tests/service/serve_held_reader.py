"""The app with the service and a reader that waits while a file `hold` exists: `python -m ... PORT`.

Films that hold certain words make it fail. A film has less time to arrive.
"""

import sys
import time

from streamlit.web import cli

from cxr_core.errors import ModelError
from cxr_core.film.adjustments import UNCHANGED, Adjustments
from cxr_core.reading.results import Examination
from cxr_core.workspace.paths import workspace
from pages.components import cache
from pages.components.service import request_body
from tests.pages.fake_reader import FakeReader

BROKEN_PROGRAM, BROKEN_MODELS = b"make a fault", b"make the models fail"
TIME_LIMIT_S = 15.0  # a busy machine takes some to receive 64 MB
SECRET = "Quirkworth-7731"


class HeldReader(FakeReader):
    """Reads as the fake reader does, once nothing holds it up."""

    def examine(self, data: bytes, adjustments: Adjustments = UNCHANGED) -> Examination:
        if data == BROKEN_PROGRAM:
            raise ZeroDivisionError(SECRET)
        if data == BROKEN_MODELS:
            raise ModelError("No model can read films. The one there is has been damaged")
        while (workspace() / "hold").exists():
            time.sleep(0.01)
        return super().examine(data, adjustments)


READER = HeldReader()

if __name__ == "__main__":
    cache.load_reader = lambda: READER  # type: ignore[assignment]
    request_body.BODY_TIME_LIMIT_S = TIME_LIMIT_S
    cli.main(["run", "app.py", "--server.port", sys.argv[1]])

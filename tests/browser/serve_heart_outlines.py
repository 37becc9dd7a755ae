"""The app with a reader that knows the contours of two phantoms.

Run `python -m tests.browser.serve_heart_outlines PORT`.
"""

import sys

from streamlit.web import cli

from pages.components import cache
from tests.hearts import MISSED, SLENDER, segment_drawing, sha256_of
from tests.pages.fake_reader import FakeReader

SEGMENTATIONS = {
    sha256_of(SLENDER): segment_drawing(SLENDER),
    sha256_of(MISSED): segment_drawing(MISSED, found=False),
}
READER = FakeReader(segmentations=SEGMENTATIONS)

if __name__ == "__main__":
    cache.load_reader = lambda: READER  # type: ignore[assignment]
    cli.main(["run", "app.py", "--server.port", sys.argv[1]])

"""The app with a reader that outlines two drawn chests by their truth: `python -m tests.browser.serve_heart_outlines PORT`."""

import sys

from streamlit.web import cli

from pages.components import cache
from tests.hearts import MISSED, SLENDER, outlined, sha256_of
from tests.pages.fake_reader import FakeReader

ANATOMIES = {
    sha256_of(SLENDER): outlined(SLENDER),
    sha256_of(MISSED): outlined(MISSED, found=False),
}
READER = FakeReader(anatomies=ANATOMIES)

if __name__ == "__main__":
    cache.reader = lambda: READER  # type: ignore[assignment]
    cli.main(["run", "app.py", "--server.port", sys.argv[1]])

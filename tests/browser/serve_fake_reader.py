"""The app with the reader that has no networks: `python -m tests.browser.serve_fake_reader PORT`."""

import sys

from streamlit.web import cli

from pages.components import cache
from tests.pages.fake_reader import FakeReader

READER = FakeReader()

if __name__ == "__main__":
    cache.load_reader = lambda: READER  # type: ignore[assignment]
    cli.main(["run", "app.py", "--server.port", sys.argv[1]])

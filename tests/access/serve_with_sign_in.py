"""The app with sign-in and without networks: `python -m tests.access.serve_with_sign_in PORT SECRETS`."""

import sys

from streamlit.web import cli

from pages.components import cache
from tests.pages.fake_reader import FakeReader

READER = FakeReader()

if __name__ == "__main__":
    cache.load_reader = lambda: READER  # type: ignore[assignment]
    port, secrets = sys.argv[1:]
    cli.main(["run", "app.py", "--server.port", port, "--secrets.files", secrets])

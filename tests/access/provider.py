"""An OpenID provider on this computer, and an app whose sign-in asks it."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.browser.served_app import serve
from tests.free_ports import find_free_port

PEOPLE: dict[str, dict[str, object]] = {
    "sub-reader": {"roles": ["reader"], "name": "Rita Reader"},
    "sub-researcher": {"roles": "researcher", "name": "Rob Researcher"},
    "sub-admin": {"roles": ["reader", "admin"], "name": "Ada Admin"},
    "sub-janitor": {"roles": ["janitor"], "name": "Joe Janitor"},
}
SIGN_IN_APP = ["-m", "tests.access.serve_with_sign_in", "{port}"]


@contextmanager
def serve_provider(token_max_age_s: int) -> Iterator[str]:
    """The address of a provider that knows PEOPLE. token_max_age_s: how long a token holds."""
    port = find_free_port()
    people = [json.dumps({"sub": sub, **claims}) for sub, claims in PEOPLE.items()]
    options = [option for person in people for option in ("--user-claims", person)]
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), *options]
    process = subprocess.Popen(
        [*command, "--token-max-age", str(token_max_age_s)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_it_answers(f"http://localhost:{port}", process)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait_until_it_answers(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx.get(f"{address}/.well-known/openid-configuration").raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"no provider at {address} within 60 s")


def write_secrets(folder: Path, **providers: str) -> Path:
    """A file of secrets with these providers, by name and address."""
    tables = [
        f"""
[auth.{name}]
client_id = "silhouette"
client_secret = "of a test"
server_metadata_url = "{address}/.well-known/openid-configuration"
"""
        for name, address in providers.items()
    ]
    path = folder / "secrets.toml"
    head = f'[auth]\nredirect_uri = "http://localhost:{{port}}/oauth2callback"\ncookie_secret = "{"7" * 64}"\n'
    path.write_text(head + "".join(tables))
    return path


@contextmanager
def serve_locked_app(workspace: Path) -> Iterator[str]:
    """The address of an app with two providers: `hospital`, and `short`, whose tokens end after two seconds."""
    with serve_provider(3600) as hospital, serve_provider(2) as short:
        secrets = write_secrets(workspace, hospital=hospital, short=short)
        with closing(serve([*SIGN_IN_APP, str(secrets)], workspace)) as served:
            yield next(served)

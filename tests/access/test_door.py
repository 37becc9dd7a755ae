"""From where the server may be reached, and what sign-in needs before the server starts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cxr_core.access.identity import AccessSettings
from cxr_core.errors import SettingsError
from pages.components.sign_in import settings
from pages.components.sign_in.settings import check_address, is_this_computer, parse_sign_in

ROOT = Path(__file__).parents[2]
PROVIDER = {
    "client_id": "silhouette",
    "client_secret": "s",
    "server_metadata_url": "https://id.example.org/.well-known/openid-configuration",
}
AUTH: dict[str, object] = {
    "redirect_uri": "https://xray.example.org/oauth2callback",
    "cookie_secret": "7" * 64,
    **PROVIDER,
}
RUN = ["-m", "streamlit", "run", "app.py", "--server.headless", "true", "--server.port", "0"]


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("unix:///run/silhouette.sock", True),
        (None, False),
        ("", False),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.7", False),
        ("xray.example.org", False),
        ("localhost.example.org", False),
    ],
)
def test_addresses_of_this_computer_are_told_apart(address: str | None, local: bool) -> None:
    assert is_this_computer(address) is local


def test_a_network_is_served_without_sign_in_only_on_purpose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CXR_OPEN", raising=False)
    monkeypatch.setattr(settings, "load_sign_in", lambda: None)
    monkeypatch.setattr("streamlit.get_option", lambda name: "0.0.0.0")
    with pytest.raises(SettingsError, match=r"would listen on 0\.0\.0\.0, and it has no sign-in"):
        check_address()
    monkeypatch.setenv("CXR_OPEN", "yes")
    with pytest.raises(SettingsError):
        check_address()
    monkeypatch.setenv("CXR_OPEN", "1")
    assert "Everybody who reaches this server" in check_address()
    monkeypatch.setattr("streamlit.get_option", lambda name: "localhost")
    assert check_address() == ""
    sign_in = parse_sign_in(AUTH, AccessSettings())
    monkeypatch.setattr(settings, "load_sign_in", lambda: sign_in)
    monkeypatch.setattr("streamlit.get_option", lambda name: "0.0.0.0")
    assert check_address() == ""


def test_one_provider_or_several_are_offered() -> None:
    one = parse_sign_in(AUTH, AccessSettings())
    assert (one.providers, one.host) == ((None,), "xray.example.org")
    several = {key: value for key, value in AUTH.items() if key not in PROVIDER}
    named = {**several, "keycloak": PROVIDER, "entra": PROVIDER}
    assert parse_sign_in(named, AccessSettings()).providers == ("keycloak", "entra")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"cookie_secret": None}, "cookie_secret"),
        ({"cookie_secret": "short"}, "cookie_secret"),
        ({"redirect_uri": ""}, "redirect_uri"),
        ({"redirect_uri": "xray.example.org/oauth2callback"}, "redirect_uri"),
        ({"redirect_uri": "https://xray.example.org/callback"}, "expected /oauth2callback"),
        ({"client_id": ""}, r"\[auth\] of the secrets lacks client_id"),
        ({"client_secret": None}, "lacks client_secret"),
        ({"my_idp": PROVIDER}, "underscore"),
        ({"idp": {"client_id": "x"}}, r"\[auth\.idp\] of the secrets lacks client_secret, server"),
    ],
)
def test_wrong_settings_of_sign_in_are_named(change: dict[str, object], found: str) -> None:
    with pytest.raises(SettingsError, match=found):
        parse_sign_in({**AUTH, **change}, AccessSettings())


def run_server(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {key: value for key, value in os.environ.items() if key != "CXR_OPEN"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=variables | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        ([*RUN, "--server.address", "0.0.0.0"], {}),
        (["-m", "cxr_core", "app", "--port", "0"], {"STREAMLIT_SERVER_ADDRESS": "::"}),
    ],
    ids=["option", "cxr_core app"],
)
def test_a_server_that_would_be_open_ends_with_a_sentence(
    workspace: Path, arguments: list[str], environment: dict[str, str]
) -> None:
    ended = run_server(arguments, **environment)
    assert ended.returncode == 2
    assert "silhouette: this server would listen on" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.process
def test_a_server_with_wrong_secrets_ends_with_a_sentence(workspace: Path, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.toml"
    secrets.write_text('[auth]\nredirect_uri = "http://localhost/oauth2callback"\n')
    ended = run_server([*RUN, "--secrets.files", str(secrets)])
    assert ended.returncode == 2
    assert "silhouette: cookie_secret in [auth] is missing or short" in ended.stderr

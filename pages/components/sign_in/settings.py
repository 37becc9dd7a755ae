"""The settings of sign-in, read once from the secrets as the server starts, and what they allow the server to do.

Streamlit's own table [auth] holds the provider, as `st.login` describes it; [access] says which claim gives which role.
Without [auth] nobody signs in, and the server answers to this computer alone.
"""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

import streamlit as st

from cxr_core.access.identity import AccessSettings
from cxr_core.errors import SettingsError

AUTH, ACCESS = "auth", "access"  # tables of the secrets
CALLBACK = "/oauth2callback"
SHORTEST_SECRET = 32  # characters of cookie_secret: 128 bits in hex
PROVIDER_KEYS = ("client_id", "client_secret", "server_metadata_url")
OPEN_VARIABLE = "CXR_OPEN"
UNIX_SOCKET = "unix://"


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """How people sign in. providers: the names of the tables [auth.NAME]; None for one in [auth] itself."""

    providers: tuple[str | None, ...]
    host: str  # of the address to which the provider sends people back
    access: AccessSettings


@cache
def load_sign_in() -> SignIn | None:
    """How people sign in; None where [auth] is not there. Raises SettingsError that names what is missing or wrong."""
    if not st.secrets.load_if_toml_exists() or AUTH not in st.secrets:
        return None
    secrets = st.secrets.to_dict()
    access = secrets.get(ACCESS, {})
    if not isinstance(access, dict):
        raise SettingsError("[access] of the secrets is no table")
    return parse_sign_in(secrets[AUTH], AccessSettings.from_table(access))


def parse_sign_in(auth: Mapping[str, object], access: AccessSettings) -> SignIn:
    """What the table [auth] says. Raises SettingsError."""
    secret = auth.get("cookie_secret")
    if not isinstance(secret, str) or len(secret) < SHORTEST_SECRET:
        raise SettingsError(
            f"cookie_secret in [auth] is missing or short; expected at least {SHORTEST_SECRET} random characters, as "
            'printed by: python -c "import secrets; print(secrets.token_hex())"'
        )
    address = urlsplit(str(auth.get("redirect_uri", "")))
    if address.scheme not in ("http", "https") or not address.hostname:
        raise SettingsError(
            f"redirect_uri in [auth] is missing or no address; expected such as https://xray.example.org{CALLBACK}"
        )
    if not address.path.endswith(CALLBACK):
        raise SettingsError(f"redirect_uri in [auth] ends in {address.path!r}; expected {CALLBACK}")
    providers = _list_providers(auth)
    return SignIn(providers=providers, host=address.hostname, access=access)


def check_address() -> str:
    """Whether the server may listen where it is told to. Returns a sentence to show where it is open on purpose.

    Raises SettingsError for an address beyond this computer without sign-in, and for wrong settings of sign-in.
    """
    address = st.get_option("server.address")
    if load_sign_in() is not None or is_this_computer(address):
        return ""
    if os.environ.get(OPEN_VARIABLE, "").strip() == "1":
        return f"Everybody who reaches this server may use all of it: it was started with {OPEN_VARIABLE}=1."
    raise SettingsError(
        f"this server would listen on {address or 'every address of this computer'}, and it has no sign-in: whoever "
        "reaches it could read films and change models. Configure sign-in (docs/access.md), or serve localhost alone "
        f"(--server.address localhost), or start it with {OPEN_VARIABLE}=1 if a proxy in front asks people to sign in"
    )


def is_this_computer(address: str | None) -> bool:
    """Whether only this computer reaches an address that a server listens on; none stands for every address."""
    if not address:
        return False
    if address == "localhost" or address.startswith(UNIX_SOCKET):
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def _list_providers(auth: Mapping[str, object]) -> tuple[str | None, ...]:
    tables: dict[str | None, Mapping[str, object]] = {
        name: table
        for name, table in auth.items()
        if isinstance(table, Mapping) and name != "client_kwargs"
    }
    if "client_id" in auth or not tables:
        tables[None] = auth
    for name, table in tables.items():
        missing = [key for key in PROVIDER_KEYS if not table.get(key)]
        if missing:
            place = f"[auth.{name}]" if name else "[auth]"
            raise SettingsError(f"{place} of the secrets lacks {', '.join(missing)}")
    if any("_" in name for name in tables if name):
        raise SettingsError("the name of a provider, in [auth.NAME], cannot have an underscore")
    return tuple(tables)

"""Turns what an identity provider says of a person into an actor: subject, role, and how long it holds.

The claims are those of an ID token that was verified before (OpenID Connect Core 1.0, section 2): `sub` names the
person, `iat` says when the token was issued, `exp` when it ends. Which claim holds the roles differs between providers.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, cast

import pydantic

from cxr_core.access.actor import Actor, Role
from cxr_core.errors import AccessRefused, RecordError, SettingsError
from cxr_core.workspace.json_files import JsonObject
from cxr_core.workspace.json_record import parse_record

MAX_SUBJECT = 255  # characters (OpenID Connect Core 1.0, section 2)
Values = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AccessSettings:
    """The table [access] of the secrets.

    roles_claim: the claim that holds roles or groups; `a.b` is b within a.  reader, researcher, admin: the values that
    give each role.  longest_session_hours: after which somebody signs in again, whatever the token says.
    """

    roles_claim: str = "roles"
    reader: Values = ("reader",)
    researcher: Values = ("researcher",)
    admin: Values = ("admin",)
    longest_session_hours: Annotated[float, pydantic.Field(gt=0, le=24 * 30)] = 12.0

    @classmethod
    def from_table(cls, table: JsonObject) -> "AccessSettings":
        """The settings in a table of TOML. Raises SettingsError that names the key."""
        try:
            return parse_record(cls, table)
        except RecordError as error:
            raise SettingsError(f"the table [access] of the secrets: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A person who has signed in. ends_at: seconds since 1970, when they have to sign in again."""

    actor: Actor
    signed_in_at: float
    ends_at: float


def read_identity(claims: Mapping[str, object], settings: AccessSettings) -> Identity:
    """The person whom claims describe. Raises AccessRefused when a claim that must be there is missing or wrong."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject or len(subject) > MAX_SUBJECT:
        raise _refuse("sub", "a text that names the person")
    issued_at, expires_at = _read_time(claims, "iat"), _read_time(claims, "exp")
    longest_s = 3600 * settings.longest_session_hours
    return Identity(
        actor=Actor(subject, find_role(claims, settings)),
        signed_in_at=issued_at,
        ends_at=min(expires_at, issued_at + longest_s),
    )


def find_role(claims: Mapping[str, object], settings: AccessSettings) -> Role:
    """The highest role that the claims give."""
    values = set(_list_values(_find_claim(claims, settings.roles_claim)))
    roles = {
        Role.ADMIN: settings.admin,
        Role.RESEARCHER: settings.researcher,
        Role.READER: settings.reader,
    }
    return next((role for role, giving in roles.items() if values & set(giving)), Role.NONE)


def _find_claim(claims: Mapping[str, object], name: str) -> object:
    """A claim by its name, which may be an address with dots in it, or by its path."""
    if name in claims:
        return claims[name]
    value: object = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _list_values(value: object) -> Iterator[str]:
    """The texts of a claim: one, or a list; providers do either."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        yield from (each for each in value if isinstance(each, str))


def _read_time(claims: Mapping[str, object], name: str) -> float:
    value = claims.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    seconds = float(cast(float, value)) if is_number else math.nan
    if not math.isfinite(seconds):
        raise _refuse(name, "seconds since 1970")
    return seconds


def _refuse(name: str, expected: str) -> AccessRefused:
    return AccessRefused(
        f"the identity provider's answer has no usable claim {name}; expected {expected}. Whoever manages sign-in at "
        "your site can correct that."
    )

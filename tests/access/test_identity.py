"""What an identity provider says of a person becomes a subject, a role and an end."""

import pytest

from cxr_core.access.actor import Role
from cxr_core.access.identity import AccessSettings, find_role, read_identity
from cxr_core.errors import AccessRefused, SettingsError

CLAIMS: dict[str, object] = {"sub": "8f1c", "iat": 1000, "exp": 5000, "roles": ["reader"]}
SETTINGS = AccessSettings()


def test_a_token_names_its_person_until_it_ends() -> None:
    identity = read_identity(CLAIMS, SETTINGS)
    assert (identity.actor.name, identity.actor.role) == ("8f1c", Role.READER)
    assert (identity.signed_in_at, identity.ends_at) == (1000, 5000)


def test_a_session_is_never_longer_than_the_setting() -> None:
    settings = AccessSettings(longest_session_hours=0.5)
    assert read_identity(CLAIMS, settings).ends_at == 1000 + 1800


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("sub", None),
        ("sub", ""),
        ("sub", 7),
        ("sub", "x" * 256),
        ("iat", None),
        ("iat", "1000"),
        ("exp", True),
        ("exp", float("inf")),
        ("exp", float("nan")),
    ],
)
def test_a_token_without_a_usable_claim_lets_nobody_in(claim: str, value: object) -> None:
    with pytest.raises(AccessRefused, match=f"no usable claim {claim}"):
        read_identity({**CLAIMS, claim: value}, SETTINGS)


@pytest.mark.parametrize(
    ("claims", "settings", "role"),
    [
        ({"roles": ["reader", "admin"]}, {}, Role.ADMIN),
        ({"roles": "researcher"}, {}, Role.RESEARCHER),
        ({"roles": ["Admin", "administrator", "admin "]}, {}, Role.NONE),
        ({"roles": [1, None, ["admin"]]}, {}, Role.NONE),
        ({"roles": {"admin": True}}, {}, Role.NONE),
        ({}, {}, Role.NONE),
        (
            {"groups": ["radiology"]},
            {"roles_claim": "groups", "reader": ["radiology"]},
            Role.READER,
        ),
        ({"groups": ["reader"]}, {"roles_claim": "groups", "reader": ["radiology"]}, Role.NONE),
        (
            {"realm_access": {"roles": ["admin"]}},
            {"roles_claim": "realm_access.roles"},
            Role.ADMIN,
        ),
        (
            {"https://example.org/roles": ["admin"]},
            {"roles_claim": "https://example.org/roles"},
            Role.ADMIN,
        ),
        ({"realm_access": "admin"}, {"roles_claim": "realm_access.roles"}, Role.NONE),
    ],
)
def test_a_claim_gives_the_highest_of_its_roles(
    claims: dict[str, object], settings: dict[str, object], role: Role
) -> None:
    assert find_role(claims, AccessSettings.from_table(settings)) is role  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ({"admn": ["x"]}, "admn"),
        ({"admin": "x"}, "expected a list"),
        ({"longest_session_hours": 0}, "longest_session_hours"),
        ({"longest_session_hours": 10_000}, "longest_session_hours"),
    ],
)
def test_a_mistaken_setting_is_named(table: dict[str, object], found: str) -> None:
    with pytest.raises(SettingsError, match=found):
        AccessSettings.from_table(table)  # type: ignore[arg-type]

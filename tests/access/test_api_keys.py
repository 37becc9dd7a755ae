"""API keys: shown once, kept as a hash, revoked by name."""

import errno
import json
import re
from pathlib import Path

import pytest

from cxr_core.access import api_keys
from cxr_core.access.actor import Actor, Role, acting_as
from cxr_core.access.api_keys import add_key, find_client, list_keys, revoke_key
from cxr_core.access.audit import audit_folder
from cxr_core.errors import AccessRefused, RecordError
from train.access import keys as keys_command


@pytest.fixture
def keys_file(workspace: Path) -> Path:
    return workspace / "access" / "keys.json"


def test_a_key_names_its_program_and_only_its_hash_is_kept(keys_file: Path) -> None:
    key = add_key("pacs-router")
    assert re.fullmatch(r"cxr_[A-Za-z0-9_-]{43}", key.secret)  # 256 bits in base64
    assert key.secret not in repr(key)
    client = find_client(key.secret)
    assert (client.name, client.role) == ("key:pacs-router", Role.READER)
    for path in keys_file.parents[1].rglob("*"):
        assert not path.is_file() or key.secret.encode() not in path.read_bytes()
    assert add_key("other").secret != key.secret


@pytest.mark.parametrize("secret", ["", "cxr_", "x" * 5000, "cxr_\udcff", "cxr_é"])
def test_another_key_opens_nothing(keys_file: Path, secret: str) -> None:
    key = add_key("pacs-router")
    for wrong in (secret, key.secret[:-1], key.secret + "a", key.secret.swapcase()):
        with pytest.raises(AccessRefused, match="not known here"):
            find_client(wrong)


def test_a_revoked_key_opens_nothing_and_keeps_its_name(keys_file: Path) -> None:
    key = add_key("pacs-router")
    revoke_key("pacs-router")
    with pytest.raises(AccessRefused, match="pacs-router was revoked on 20"):
        find_client(key.secret)
    with pytest.raises(AccessRefused, match="there is or was a key named pacs-router"):
        add_key("pacs-router")
    with pytest.raises(AccessRefused, match="valid ones are none"):
        revoke_key("pacs-router")


def test_the_day_of_the_last_use_is_kept_and_written_once_a_day(
    keys_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = add_key("pacs-router").secret
    monkeypatch.setattr(api_keys, "_today", lambda: "2026-12-01")
    find_client(secret)
    assert list_keys()[0].last_used == "2026-12-01"
    stamp = keys_file.stat().st_mtime_ns
    find_client(secret)
    assert keys_file.stat().st_mtime_ns == stamp
    monkeypatch.setattr(api_keys, "_today", lambda: "2026-12-02")
    find_client(secret)
    assert list_keys()[0].last_used == "2026-12-02"


def test_a_key_opens_where_its_day_cannot_be_written(
    keys_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    secret = add_key("pacs-router").secret
    monkeypatch.setattr(api_keys, "write_json", fail)
    assert find_client(secret).name == "key:pacs-router"
    with pytest.raises(RecordError, match=r"No space left on device.*Nothing was changed"):
        add_key("other")
    assert [key.name for key in list_keys()] == ["pacs-router"]


@pytest.mark.parametrize("content", ["", "{", '{"keys": [{}]}', "[]", '{"keys": 3}'])
def test_damaged_keys_let_nobody_in(keys_file: Path, content: str) -> None:
    secret = add_key("pacs-router").secret
    keys_file.write_text(content)
    with pytest.raises(
        RecordError,
        match=r"access/keys\.json of the workspace cannot be read.*Put a copy of it back",
    ):
        find_client(secret)


@pytest.mark.parametrize("name", ["", "a b", "../up", "x" * 61, ".hidden", "naïve\n"])
def test_a_name_that_is_none_is_refused(keys_file: Path, name: str) -> None:
    with pytest.raises(AccessRefused, match="cannot be the name of a key"):
        add_key(name)


def test_only_an_admin_makes_and_revokes_keys(keys_file: Path) -> None:
    add_key("pacs-router")
    with acting_as(Actor("8f1c", Role.RESEARCHER)):
        with pytest.raises(AccessRefused, match=r"API key needs the role admin, and you have the"):
            add_key("other")
        with pytest.raises(AccessRefused, match="needs the role admin"):
            revoke_key("pacs-router")
    assert [(key.name, key.revoked) for key in list_keys()] == [("pacs-router", "")]
    lines = (audit_folder() / "audit-000001.jsonl").read_text().splitlines()
    refusals = [line for line in map(json.loads, lines) if line["outcome"] == "refused"]
    assert [line["who"] for line in refusals] == ["8f1c", "8f1c"]


def test_a_shell_shows_a_key_once(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert keys_command.main(["add", "pacs-router"]) == 0
    shown = capsys.readouterr()
    assert find_client(shown.out.strip()).name == "key:pacs-router"
    assert "only time" in shown.err
    assert keys_command.main(["revoke", "pacs-router"]) == 0
    assert keys_command.main(["list"]) == 0
    listed = capsys.readouterr().out
    assert re.match(r"pacs-router  made 20\S+, last used 20\S+, revoked 20\S+\n", listed)
    assert shown.out.strip() not in listed
    assert keys_command.main(["revoke", "pacs-router"]) == 3

"""A workspace that was backed up and restored as docs/deploy.md says goes on where it was."""

import hashlib
import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_core.access.api_keys import add_key, find_client, revoke_key
from cxr_core.access.audit import audit_folder, hash_film, record_action
from cxr_core.access.audit_check import list_entries, verify_log
from cxr_core.errors import AccessRefused
from cxr_core.models.registry.active_version import activate_version, roll_back
from cxr_core.models.registry.registry import find_active_version
from tests.tiny import tiny_card, tiny_model

DOCUMENT = Path(__file__).parents[2] / "docs/deploy.md"
FILM = hashlib.sha256(b"a film").hexdigest()


def run_command(first_word: str, workspace: Path, backup: Path) -> None:
    """Run the one command of the document's section on backups that begins so."""
    section = DOCUMENT.read_text().partition("## Backup")[2].partition("\n## ")[0]
    (command,) = re.findall(rf"^{re.escape(first_word)}.*$", section, re.M)
    variables = {"SILHOUETTE_WORKSPACE": str(workspace), "BACKUP": str(backup)}
    subprocess.run(command, shell=True, check=True, env=os.environ | variables)


def active_version() -> str:
    active = find_active_version("tiny")
    assert active is not None
    return active.version


def test_a_restored_workspace_goes_on_where_it_was(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = tiny_card(findings=("pneumonia",))
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        tiny_model(workspace / "models", replace(card, version=version))
    activate_version("tiny", "1.1.0", "better here")
    kept, gone = add_key("kept").secret, add_key("gone").secret
    revoke_key("gone")
    record_action("reading", film=FILM)
    (workspace / "cache").mkdir()
    (workspace / "cache" / "films").write_bytes(b"large")
    film = hash_film(FILM)
    last = verify_log(audit_folder()).last

    run_command("tar --create", workspace, tmp_path / "backup.tar")
    roll_back("tiny", "after the backup")
    restored = tmp_path / "restored"
    restored.mkdir(mode=0o700)
    run_command("tar --extract", restored, tmp_path / "backup.tar")

    monkeypatch.setenv("CXR_WORKSPACE", str(restored))
    assert active_version() == "1.1.0"
    assert not (restored / "cache").exists()
    assert find_client(kept).name == "key:kept"
    with pytest.raises(AccessRefused, match="revoked"):
        find_client(gone)
    assert (audit_folder() / "film.key").stat().st_mode & 0o777 == 0o600
    assert hash_film(FILM) == film
    assert next(list_entries(audit_folder()))["film"] == film
    report = verify_log(audit_folder())
    assert (report.last, report.problems) == (last, ())
    roll_back("tiny", "in the restored one")
    assert active_version() == "1.0.0"
    report = verify_log(audit_folder(), known=last)
    assert report.problems == ()

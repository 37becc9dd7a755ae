"""Installing and revoking a site's profile: reasons, what is refused, the history, damage, and a kill in the middle."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_core.errors import SiteError
from cxr_core.models.figures import MeanFigure
from cxr_core.reading.site_profile import ModelProfile, SiteCalibration
from cxr_core.site import profile_store
from cxr_core.site.profile_store import (
    Evidence,
    discard_damaged,
    install,
    load_profile,
    profile_fingerprint,
    read_history,
    revoke,
)

WORSE, BETTER = MeanFigure(0.13, 0.09, 0.17, 48), MeanFigure(0.05, 0.03, 0.08, 48)
EVIDENCE = Evidence(before=WORSE, after=BETTER, record="2026-12-01-pneumonia")
WHEN = "2026-12-01T10:00:00+00:00"
PROFILE = ModelProfile(
    model="pneumonia-children",
    version="1.2.1",
    finding="pneumonia",
    calibration=SiteCalibration(intercept=-2.9),
    prevalence=0.3,
    installed_on="2026-11-01",
    films=48,
    patients=45,
)


@pytest.fixture(autouse=True)
def site(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The site's folder; the version of PROFILE is in use."""

    class Active:
        version = PROFILE.version

    monkeypatch.setattr(profile_store, "find_active_version", lambda model: Active)
    return workspace / "site"


def test_a_site_without_a_profile_has_none(site):
    assert load_profile() is None
    assert read_history() == []
    assert not site.exists()  # looking writes nothing


def test_a_profile_is_installed_with_its_date_and_reason_and_read_back():
    made = install(PROFILE, " acceptance test of 1 December ", EVIDENCE, when=WHEN)
    assert made == replace(PROFILE, installed_on="2026-12-01")
    assert load_profile().models == (made,)
    (change,) = read_history()
    assert (change.what, change.reason, change.when) == (
        "installed",
        "acceptance test of 1 December",
        WHEN,
    )
    assert change.evidence == EVIDENCE


def test_another_profile_takes_its_place_and_the_history_keeps_both():
    first = install(PROFILE, "first", EVIDENCE)
    second = install(replace(PROFILE, films=90), "second", EVIDENCE)
    other = install(replace(PROFILE, finding="abnormality"), "third", EVIDENCE)
    assert load_profile().models == (second, other)
    assert [change.reason for change in read_history()] == ["third", "second", "first"]
    assert read_history()[1].replaces == first


def test_a_revoked_profile_is_gone_at_once_and_stays_in_the_history():
    install(PROFILE, "first", EVIDENCE)
    before = profile_fingerprint()
    revoke(PROFILE.model, PROFILE.finding, "the scanner was replaced")
    assert load_profile() is None
    assert profile_fingerprint() != before
    assert [(c.what, c.reason) for c in read_history()] == [
        ("revoked", "the scanner was replaced"),
        ("installed", "first"),
    ]
    with pytest.raises(SiteError, match="nothing is installed"):
        revoke(PROFILE.model, PROFILE.finding, "again")


@pytest.mark.parametrize(
    ("profile", "reason", "evidence", "said"),
    [
        (PROFILE, "  ", EVIDENCE, "reason is missing"),
        (PROFILE, "why", None, "cross-validate"),
        (PROFILE, "why", replace(EVIDENCE, after=WORSE), "not better"),
        (PROFILE, "why", Evidence(before=BETTER, after=WORSE), "not better: .* 0.130, .* 0.050"),
        (PROFILE, "why", replace(EVIDENCE, after=MeanFigure(None, None, None, 48)), "cross-val"),
        (replace(PROFILE, patients=19), "why", EVIDENCE, "19 patients; at least 20"),
        (replace(PROFILE, version="1.2.0"), "why", EVIDENCE, "1.2.0, and 1.2.1 is in use"),
        (replace(PROFILE, calibration=None, prevalence=None), "why", None, "changes nothing"),
    ],
)
def test_what_is_not_shown_to_be_better_is_refused_and_nothing_is_written(
    site, profile, reason, evidence, said
):
    with pytest.raises(SiteError, match=said):
        install(profile, reason, evidence)
    assert load_profile() is None
    assert not (site / "profile.json").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"schema": 2}',
        b'{"schema": 1, "installed": [{"when": 3}]}',
        b'{"schema": 1, "installed": [',
        b'{"installed": [], "installed": []}',
    ],
)
def test_a_damaged_profile_is_told_and_can_be_put_aside(site, content):
    site.mkdir(parents=True)
    (site / "profile.json").write_bytes(content)
    damaged = load_profile()
    assert damaged.models == ()
    assert "damaged" in damaged.problem
    assert "Readings go on without it." in damaged.problem
    with pytest.raises(SiteError, match="damaged"):
        install(PROFILE, "why", EVIDENCE)
    assert (site / "profile.json").read_bytes() == content
    assert discard_damaged().read_bytes() == content
    install(PROFILE, "why", EVIDENCE)
    with pytest.raises(SiteError, match="not damaged"):
        discard_damaged()


def test_a_damaged_profile_hides_no_history(site):
    install(PROFILE, "first", EVIDENCE)
    (site / "profile.json").write_bytes(b"{")
    assert [change.reason for change in read_history()] == ["first"]


def test_profiles_that_several_install_at_once_are_all_there():
    findings = [f"finding_{number}" for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda f: install(replace(PROFILE, finding=f), f, EVIDENCE), findings))
    assert sorted(model.finding for model in load_profile().models) == findings
    assert sorted(change.reason for change in read_history()) == findings


def test_a_full_disk_leaves_what_is_installed(site, monkeypatch):
    first = install(PROFILE, "first", EVIDENCE)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(profile_store, "write_json", fail)
    with pytest.raises(SiteError, match=r"No space left on device\. Nothing was changed"):
        install(replace(PROFILE, films=90), "second", EVIDENCE)
    assert load_profile().models == (first,)


# The writer is killed before it gives the file its name, and between profile and history.
KILLS = {"before": "Path.replace", "between": "profile_store.append_line"}


@pytest.mark.process
@pytest.mark.parametrize("moment", list(KILLS))
def test_a_kill_in_the_middle_leaves_one_whole_profile_and_a_whole_history(site, moment):
    install(PROFILE, "first", EVIDENCE, when=WHEN)
    script = f"""
        import os, signal
        from dataclasses import replace
        from pathlib import Path
        from cxr_core.site import profile_store
        from tests.site import test_profile_store as given
        profile_store.find_active_version = lambda model: type("A", (), {{"version": "1.2.1"}})
        def die(*arguments, **_):
            os.kill(os.getpid(), signal.SIGKILL)
        {KILLS[moment]} = die
        profile_store.install(replace(given.PROFILE, films=90), "second", given.EVIDENCE)
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], check=False, env=dict(os.environ)
    )
    assert ended.returncode == -signal.SIGKILL
    (model,) = load_profile().models
    expected = ["second", "first"] if moment == "between" else ["first"]
    assert model.films == (90 if moment == "between" else 48)
    assert [change.reason for change in read_history()] == expected
    install(replace(PROFILE, films=120), "third", EVIDENCE)
    assert [change.reason for change in read_history()] == ["third", *expected]
    assert not [path for path in site.iterdir() if path.name.endswith("-profile.json")]
    lines = (site / "profile_history.jsonl").read_text().splitlines()
    assert [json.loads(line)["reason"] for line in lines] == [*expected[::-1], "third"]

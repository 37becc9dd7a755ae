"""Findings that a workspace defines: kept, found by name, and refused where they mean another one."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cxr_core.data.manifest import COLUMNS
from cxr_core.errors import SettingsError
from cxr_core.findings import FINDINGS
from cxr_core.known_findings import (
    FINDINGS_FILE,
    RESERVED_KEYS,
    LocalFinding,
    adopt_findings,
    define_finding,
    find_finding,
    finding_named,
    is_finding_key,
    known_findings,
    order_findings,
    require_no_collision,
)
from cxr_core.presentation.wording import finding_name

DEFINITION = "A break of one or more ribs."


@pytest.fixture(autouse=True)
def own_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CXR_WORKSPACE", str(tmp_path))
    return tmp_path


def test_a_defined_finding_is_known_by_key_and_name_and_marked() -> None:
    define_finding("rib_fracture", " Rib   fracture ", DEFINITION)
    assert list(known_findings()) == [*FINDINGS, "rib_fracture"]
    for label in ("rib_fracture", "RIB FRACTURE ", "Rib fracture"):
        found = finding_named(label)
        assert found is not None
        assert found.key == "rib_fracture"
    assert find_finding("rib_fracture") == known_findings()["rib_fracture"]
    assert finding_name("rib_fracture") == "Rib fracture (locally defined)"
    assert finding_name("cardiomegaly") == "Cardiomegaly"
    assert order_findings(["rib_fracture", "hernia", "cardiomegaly"]) == [
        *("cardiomegaly", "hernia", "rib_fracture")
    ]


def test_the_same_definition_again_changes_nothing(own_workspace: Path) -> None:
    define_finding("rib_fracture", "Rib fracture", DEFINITION)
    written = (own_workspace / FINDINGS_FILE).stat()
    define_finding("rib_fracture", "Rib fracture", DEFINITION)
    assert (own_workspace / FINDINGS_FILE).stat().st_mtime_ns == written.st_mtime_ns


@pytest.mark.parametrize(
    ("key", "name", "reason"),
    [
        ("cardiomegaly", "My heart", "another name of the finding 'cardiomegaly'"),
        ("big_heart", "Enlarged heart", "another name of the finding 'cardiomegaly'"),
        ("pleural_effusion", "Fluid", "another name of the finding 'effusion'"),
        ("healthy", "Healthy", "says that there is no finding"),
        ("rib_fracture", "Rib fracture", "defined in this workspace as Rib fracture"),
        ("fracture", "rib fracture", "would have the same name as 'rib_fracture'"),
        ("patient", "Patient", "has another meaning"),
        ("ignore", "Ignored", "has another meaning"),
        ("Fracture", "Fracture", "cannot be the key"),
        ("rib fracture", "Fracture", "cannot be the key"),
        ("brüche", "Brüche", "cannot be the key"),
        ("x" * 1000, "Fracture", "cannot be the key"),
        ("<b>x</b>", "Fracture", "cannot be the key"),
        ("callus", "<img src=x>", "cannot be the name"),
        ("callus", "**Callus**", "cannot be the name"),
        ("callus", "", "cannot be the name"),
        ("callus", "C" * 61, "cannot be the name"),
    ],
)
def test_what_means_another_finding_or_cannot_be_shown_is_refused(
    key: str, name: str, reason: str
) -> None:
    define_finding("rib_fracture", "Rib fracture", DEFINITION)
    with pytest.raises(SettingsError, match=reason) as caught:
        define_finding(key, name, "Another text.")
    assert len(str(caught.value)) < 400
    assert list(known_findings()) == [*FINDINGS, "rib_fracture"]


@pytest.mark.parametrize("definition", ["", " ", "x" * 501, "a\u202eb"])
def test_a_definition_is_one_line_of_text(definition: str) -> None:
    with pytest.raises(SettingsError, match="definition of 'callus' must have 1 to 500"):
        define_finding("callus", "Callus", definition)


def test_names_may_be_in_any_language() -> None:
    for key, name in {"rippe": "Rippenbruch, größer", "kostal": "Fractura costal (izq.)"}.items():
        assert define_finding(key, name, "x").name == name


def test_definitions_are_adopted_all_or_none() -> None:
    define_finding("rib_fracture", "Rib fracture", DEFINITION)
    new = LocalFinding(key="callus", name="Callus", definition="New bone.")
    other = LocalFinding(key="rib_fracture", name="Rib fracture", definition="Something else.")
    with pytest.raises(SettingsError, match="choose another key"):
        adopt_findings([new, other])
    assert "callus" not in known_findings()


def test_definitions_at_the_same_time_all_stay() -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: define_finding(f"finding_{n}", f"Finding {n}", "x"), range(20)))
    assert len(known_findings()) == len(FINDINGS) + 20


def test_a_damaged_file_is_named_and_hides_no_shipped_finding(own_workspace: Path) -> None:
    (own_workspace / FINDINGS_FILE).write_text('{"schema": 1, "findings": [{"key": "A"}]}')
    with pytest.raises(SettingsError, match="move it away"):
        known_findings()
    assert finding_name("cardiomegaly") == "Cardiomegaly"
    assert finding_name("rib_fracture") == "Rib fracture"


def test_no_key_is_a_column_of_a_manifest() -> None:
    assert set(COLUMNS) <= RESERVED_KEYS
    assert not RESERVED_KEYS & set(FINDINGS)
    assert all(map(is_finding_key, FINDINGS))
    for key in ("patient", "Rib", ""):
        assert not is_finding_key(key)
    require_no_collision(LocalFinding(key="callus", name="Callus", definition="x"))

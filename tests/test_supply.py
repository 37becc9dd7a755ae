"""The locks name every package with hashes and no place it comes from, and agree with the pins; the audit is honest."""

import re
import runpy
import subprocess
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PINS = ("requirements.txt", "requirements-dev.txt")
EXTRAS = ("cluster", "export")  # requirements-*.txt, and optional dependencies of the package
LOCKS = ("requirements.lock", "requirements-cuda.lock", "requirements-dev.lock")
CPU_LOCK = "requirements-cpu.lock"
ENTRY = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>[^ ;]+)( ; [^\\]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+$",
    re.M,
)
explain_report = runpy.run_path(str(ROOT / ".ci" / "audit.py"))["explain_report"]


def read_lock(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def locked_versions(*names: str) -> dict[str, set[str]]:
    """The versions of every package of some locks; one may have several, for different versions of Python."""
    versions: dict[str, set[str]] = {}
    for name in names:
        for entry in ENTRY.finditer(read_lock(name)):
            versions.setdefault(entry["name"], set()).add(entry["version"])
    return versions


def pinned_versions(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith(("#", "-r"))]
    return {canonicalize_name(package.partition("[")[0]): version for package, version in pins}


def test_every_pin_is_locked_at_its_version() -> None:
    of_extras = {f"requirements-{extra}.txt": LOCKS for extra in EXTRAS}
    for name, locks in {PINS[0]: LOCKS[:1], PINS[1]: LOCKS, **of_extras}.items():
        locked = locked_versions(*locks)
        for package, version in pinned_versions(name).items():
            assert locked.get(package) == {version}, f"{package} of {name}: run `make lock`"


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_of_the_package_asks_for_what_its_file_pins(extra: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = map(Requirement, project["optional-dependencies"][extra])
    versions = {canonicalize_name(each.name): str(each.specifier) for each in asked}
    pins = pinned_versions(f"requirements-{extra}.txt")
    assert versions == {package: f"=={pin}" for package, pin in pins.items()}


def test_the_cpu_build_has_the_pinned_version() -> None:
    version = pinned_versions("requirements.txt")["torch"]
    assert locked_versions(CPU_LOCK) == {"torch": {f"{version}+cpu"}}, f"mend {CPU_LOCK} by hand"


@pytest.mark.parametrize("name", [*LOCKS, CPU_LOCK])
def test_a_lock_holds_versions_and_hashes_and_nothing_else(name: str) -> None:
    rest = ENTRY.sub("", read_lock(name))
    assert [line for line in rest.splitlines() if line and not line.startswith("# ")] == []
    assert "://" not in rest


def test_no_package_is_in_two_locks() -> None:
    packages = [package for name in LOCKS for package in locked_versions(name)]
    assert len(packages) == len(set(packages))


def test_what_a_locked_package_needs_is_locked() -> None:
    locked = locked_versions(*LOCKS)
    for package in locked:
        try:
            needed = metadata.requires(package) or []
        except metadata.PackageNotFoundError:
            continue  # of another platform
        for requirement in map(Requirement, needed):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                name = canonicalize_name(requirement.name)
                assert name in locked, f"{package} needs {name}: run `make lock`"
                assert all(version in requirement.specifier for version in locked[name])


@pytest.mark.parametrize("goal", ["setup", "app"])
def test_make_installs_only_what_is_locked(goal: str) -> None:
    command = ["make", "--dry-run", "--always-make", goal]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    installs = re.findall(r"pip install [^;\n]*", done.stdout)
    assert len(installs) == 4
    for line in installs:
        assert "--require-hashes --no-deps --no-build-isolation" in line
        assert all(name.endswith(".lock") for name in re.findall(r"--requirement (\S+)", line))


def test_the_audit_says_what_was_looked_up() -> None:
    sound = {"name": "numpy", "version": "2.4.6", "vulns": []}
    skipped = {"name": "torch", "skip_reason": "not found"}
    flaw = {"id": "CVE-1", "fix_versions": ["3.2"]}
    faulty = {"name": "jinja2", "version": "3.1.6", "vulns": [flaw]}
    assert explain_report([sound])[1] == 0
    report, status = explain_report([sound, faulty, skipped])
    assert status == 1
    assert "jinja2 3.1.6: CVE-1, mended in 3.2" in report
    assert "Not looked up: torch" in report
    assert explain_report([sound, skipped])[1] == 2
    for nothing in ([], [skipped]):
        report, status = explain_report(nothing)
        assert status == 2
        assert report.startswith("Nothing was checked")

"""Reports known vulnerabilities of the locked packages: `make audit`.

Exit status: 0 where every package was looked up and none has any, 1 where one has, 2 where any could not be looked up.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "requirements-cuda.lock", "requirements-dev.lock")


def explain_report(packages: list[dict[str, Any]]) -> tuple[str, int]:
    """What pip-audit found, in words, and the exit status. packages: `dependencies` of its JSON report."""
    skipped = [package for package in packages if "skip_reason" in package]
    found = [
        f"{package['name']} {package['version']}: {flaw['id']}, mended in {', '.join(flaw['fix_versions']) or 'none'}"
        for package in packages
        for flaw in package.get("vulns", [])
    ]
    looked_up = len(packages) - len(skipped)
    if not looked_up:
        return (
            "Nothing was checked: no database of vulnerabilities could be reached. Run this where PyPI can be reached.",
            2,
        )
    lines = [f"{looked_up} of {len(packages)} packages were looked up."]
    lines += found or ["None of them has a known vulnerability."]
    lines += [f"Not looked up: {package['name']}" for package in skipped]
    status = 1 if found else 2 * bool(skipped)
    return "\n".join(lines), status


def main() -> int:
    """Run pip-audit on the locks, for the platform that this runs on."""
    files = [option for lock in LOCKS for option in ("--requirement", str(ROOT / lock))]
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip", *files]
    command += ["--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(done.stderr[-2000:], file=sys.stderr)
        packages = []
    report, status = explain_report(packages)
    print(report)
    return status


if __name__ == "__main__":
    sys.exit(main())

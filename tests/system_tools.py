"""Programs of the operating system that speak DICOM or check it, such as dcmtk's."""

import os
import shutil
import sys
from pathlib import Path

import pytest


def find_system_tool(name: str) -> str | None:
    """The path of a program, or None.

    The folder of this Python is left out: pynetdicom, on which the node itself runs, has a `storescu` of its own there.
    """
    own = Path(sys.executable).parent
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return shutil.which(name, path=os.pathsep.join(f for f in folders if Path(f) != own))


def require_system_tool(name: str, package: str) -> str:
    """The path of a program. Without it the test is skipped, with CI set it fails. package: Debian's, which has it."""
    path = find_system_tool(name)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(f"{name} is missing: with CI set DICOM must be checked by other programs")
        pytest.skip(f"{name} is missing: install Debian's {package}")
    return path

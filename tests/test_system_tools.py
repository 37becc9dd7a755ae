"""What speaks to the program from outside is not made of the program's own libraries."""

import sys

from tests.system_tools import find_system_tool


def test_a_program_of_this_python_is_not_taken_for_one_of_the_system(tmp_path, monkeypatch):
    for place in ("own", "system"):
        (tmp_path / place).mkdir()
    tool = tmp_path / "own" / "storescu"
    tool.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "own" / "python"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'own'}:{tmp_path / 'system'}")
    assert find_system_tool("storescu") is None
    found = tmp_path / "system" / "storescu"
    found.touch(mode=0o755)
    assert find_system_tool("storescu") == str(found)

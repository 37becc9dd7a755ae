"""Every command, path and link in the documents exists, and the examples run."""

import contextlib
import functools
import importlib
import io
import re
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = [
    README,
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
by_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)
# The folders that a path in a document may begin in.
BASES = (ROOT, ROOT / "cxr_core", ROOT / "cxr_core/film")
LONGEST_LINE = 120
# Written by the program, or named as what is not there yet.
NOT_IN_THE_TREE = {
    "workspace/",
    "learnt_films.txt",
    "pacs.toml",  # of the workspace
    ".streamlit/secrets.toml",  # of a server with sign-in
    "secrets.toml",
    "../shared/data",
    "./workspace",
    "code/",  # of the workspace
    "my_net.py",
    "validation_films/",  # of a run
}


def blocks(document: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", document.read_text(encoding="utf-8"), re.M | re.S
    )


def commands() -> list[list[str]]:
    """Every command line of the README's shell blocks, and every `make ...` in its prose."""
    lines = [line for block in blocks(README, "sh") for line in block.splitlines() if line.strip()]
    lines += re.findall(r"`([A-Z_]*=?\S* ?make [^`]+)`", README.read_text(encoding="utf-8"))
    return [shlex.split(line, comments=True) for line in lines]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))


@functools.cache
def help_of(*module: str) -> str:
    name, *words = module
    main = importlib.import_module("cxr_core.__main__" if name == "cxr_core" else name).main
    with contextlib.redirect_stdout(io.StringIO()) as output, pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    return output.getvalue()


def test_readme_shows_the_commands() -> None:
    first_words = {tuple(words[:2]) for words in commands()}
    assert {("make", "app"), ("make", "test"), (".venv/bin/python", "-m")} <= first_words


def test_make_targets_of_the_readme_exist() -> None:
    named = [words[words.index("make") + 1] for words in commands() if "make" in words]
    assert len(named) >= 2
    assert set(named) <= targets()


@pytest.mark.parametrize(
    "words",
    [words for words in commands() if words[0].endswith("python")],
    ids=lambda words: " ".join(words[1:4]),
)
def test_python_commands_of_the_readme_are_understood(words: list[str]) -> None:
    module = words[2:4] if words[2] == "cxr_core" else words[2:3]
    help_text = help_of(*module)
    for flag in [word for word in words if word.startswith("--")]:
        assert re.search(rf"{flag}\b", help_text), f"{flag} is no option of {' '.join(module)}"
    if module == ["train.fit"]:
        assert (ROOT / "train/recipes" / f"{words[3]}.toml").is_file()
    for value in [word for word in words if word.endswith("_95")]:
        assert value in help_text


def test_the_tree_of_the_architecture_page_is_the_tree() -> None:
    tree = blocks(ROOT / "docs/architecture.md", "text")[-1]
    named = [line.split(maxsplit=1) for line in tree.splitlines()]
    for path, purpose in named:
        assert purpose
        assert (ROOT / path).is_dir() == path.endswith("/"), path
        assert (ROOT / path).exists(), path
    listed = {path for path, _ in named}
    for package in [*ROOT.glob("*/__init__.py"), *(ROOT / "cxr_core").glob("*/__init__.py")]:
        folder = f"{package.parent.relative_to(ROOT).as_posix()}/"
        assert folder in listed or folder == "tests/", f"the architecture page lacks {folder}"


@by_document
def test_no_line_of_prose_is_long(document: Path) -> None:
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    prose = [line for line in text.splitlines() if not line.startswith(("|", "!"))]
    assert [line for line in prose if len(line) > LONGEST_LINE] == []


@by_document
def test_no_cell_of_a_table_is_longer_than_a_line(document: Path) -> None:
    rows = [
        line for line in document.read_text(encoding="utf-8").splitlines() if line.startswith("|")
    ]
    cells = [cell.strip() for row in rows for cell in row.split("|")]
    assert [cell for cell in cells if len(cell) > LONGEST_LINE] == []


@by_document
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (document.parent / link).exists(), link


@by_document
def test_paths_in_backticks_exist(document: Path) -> None:
    text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    for quoted in re.findall(r"`([^`\n]+)`", text):
        looks_like_a_path = re.fullmatch(r"[\w./-]+(/|\.(py|md|toml|txt|css|js))", quoted)
        if looks_like_a_path and quoted not in NOT_IN_THE_TREE:
            assert any((base / quoted).exists() for base in BASES), (
                f"{document.name} names {quoted}"
            )


def test_every_dependency_has_its_reason() -> None:
    reasons = (ROOT / "docs/decisions.md").read_text(encoding="utf-8")
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            if line and line[0].isalpha():
                package, pinned, _ = line.partition("==")
                assert pinned, f"{line} is not pinned"
                assert f"`{package}`" in reasons, (
                    f"docs/decisions.md does not say why {package} is needed"
                )


def test_documents_name_no_machine() -> None:
    for document in DOCUMENTS:
        assert not re.search(
            r"/(root|home|work|tmp|Users)/", document.read_text(encoding="utf-8")
        ), document.name

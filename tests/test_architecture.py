"""The rules of the layout, read from the source of every module. Each rule is one test that lists its offenders."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECKED = ("cxr_core", "pages", "train", "benchmarks")

# The highest floor first; an import points down, or sideways inside one package.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("benchmarks",),
    ("app", "pages", "train", "cxr_core.__main__"),
    ("cxr_core.scale",),
    ("cxr_core.dicom_io", "cxr_core.jobs", "cxr_core.promotion"),
    ("cxr_core.training",),
    ("cxr_core.feedback", "cxr_core.site"),
    ("cxr_core.evaluation",),
    ("cxr_core.inference",),
    ("cxr_core.reading", "cxr_core.data"),
    ("cxr_core.models",),
    ("cxr_core.film",),
    ("cxr_core.access",),
    ("cxr_core.presentation",),
    ("cxr_core.known_findings",),
    ("cxr_core.workspace",),
    ("cxr_core.decisions", "cxr_core.errors", "cxr_core.findings", "cxr_core.version"),
)
HEIGHT = {name: -number for number, floor in enumerate(FLOORS) for name in floor}
ONE_PACKAGE = {"app": "pages"}  # app.py and its pages may import each other
PUBLIC_SURFACE = "cxr_core"  # its __init__ offers a few names of the floors above

# What the pages load before anybody asks for a reading; none of it may cost the import of torch.
WITHOUT_TORCH = (
    "cxr_core.data.charts.draw",
    "cxr_core.data.prepare",
    "cxr_core.data.summary",
    "cxr_core.film.decoding.decode",
    "cxr_core.film.phantom.phantom",
    "cxr_core.models.card",
    "cxr_core.reading.report.colormap",
    "cxr_core.reading.report.html",
    "cxr_core.reading.results",
    "cxr_core.training.runs.progress",
)
MOST_MODULES_IN_A_FOLDER = 16
# The one module of the core that names the programs of `train`, and the command line, whose verbs they are.
COMMANDS = {"cxr_core.jobs.commands", "cxr_core.__main__"}
# Calls that open a file by its path, and the modules that may: their files were written by this program, come with it,
# or are bytes in memory. What comes from outside is opened by workspace.outside_files.
OPENING_FUNCTIONS = frozenset(["open", "safe_open", "load_file", "FileIO", "dcmread", "ZipFile"])
OPENING_METHODS = OPENING_FUNCTIONS | frozenset(
    [
        *("read_bytes", "read_text", "read_csv", "read_table", "read_schema"),
        *("fromfile", "memmap", "imread"),
    ]
)
OPENERS = frozenset(
    [
        "cxr_core.access.audit_chain",
        "cxr_core.data.cache.pixel_cache",
        "cxr_core.data.cache.worker",
        "cxr_core.data.manifest",
        "cxr_core.data.prepare",
        "cxr_core.data.registry",
        "cxr_core.data.splits.saved_split",
        "cxr_core.dicom_io.node.spool",
        "cxr_core.dicom_io.pacs.answers",
        "cxr_core.evaluation.store.loaded",
        "cxr_core.evaluation.store.predictions",
        "cxr_core.evaluation.store.provenance",
        "cxr_core.film.decoding.bmp",
        "cxr_core.film.decoding.dicom_pixels.file",
        "cxr_core.film.decoding.tiff_parts.segments",
        "cxr_core.jobs.files",
        "cxr_core.jobs.heartbeat",
        "cxr_core.jobs.launch",
        "cxr_core.models.registry.archive",
        "cxr_core.models.store",
        "cxr_core.models.weights_file",
        "cxr_core.training.engine.checkpoint",
        "cxr_core.training.engine.feature_cache",
        "cxr_core.training.runs.progress",
        "cxr_core.training.runs.run_files",
        "cxr_core.training.runs.run_folder",
        "cxr_core.training.trackers.tensorboard",
        "cxr_core.workspace.atomic",
        "cxr_core.workspace.child_process",
        "cxr_core.workspace.hashing",
        "cxr_core.workspace.json_files",
        "cxr_core.workspace.jsonl",
        "cxr_core.workspace.outside_files",
        "cxr_core.workspace.process_id",
        "cxr_core.workspace.terminal",
        "pages.components.gallery",
        "pages.components.models.installed_models",
        "pages.components.read.recovery.study_token",
        "pages.components.selectable_table",
        "pages.components.viewer",
        "pages.components.worklist_table",
        "train.compare",
    ]
)
# Names of version 0.1 that only its authors could decode; docs/glossary.md has the words that replaced them.
OLD_DIALECT = frozenset(
    [
        "whole",
        "told",
        "said",
        "asked",
        "asking",
        "standing",
        "beat",
        "pulse",
        "errand",
        "errands",
        "desk",
        "shelf",
        "shelved",
        "opened",
        "beside",
        "mended",
        "heard",
        "moved",
        "drawn",
        "drawings",
        "lasting",
        "noticed",
        "strangeness",
        "unfamiliarity",
        "lighten",
        "intake",
        "ledger",
        "heap",
        "marked",
        "rival",
        "ground",
        "story",
        "facts",
        "knots",
        "settled",
        "least",
        "most",
        "few",
        "alone",
        "doubts",
        "chance",
    ]
)


def sources() -> list[Path]:
    folders = (sorted((ROOT / folder).rglob("*.py")) for folder in CHECKED)
    return [ROOT / "app.py", *(path for paths in folders for path in paths)]


def module_name(path: Path) -> str:
    """`cxr_core/film/orientation.py` -> cxr_core.film.orientation; a package by its own name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def trees() -> dict[str, ast.Module]:
    """The syntax tree of every module, by the module's name."""
    return {module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in sources()}


@cache
def nodes_of(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Every node of a tree; walked once for all tests."""
    return tuple(ast.walk(tree))


def package_on_a_floor(module: str) -> str | None:
    """The entry of FLOORS that a module belongs to; None for modules of other projects."""
    parts = module.split(".")
    prefixes = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((prefix for prefix in prefixes if prefix in HEIGHT), None)


def imported_modules(tree: ast.AST) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function; `from a import b` also as a.b."""
    for node in nodes_of(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
            if node.module and not node.level:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wrong_imports(module: str, tree: ast.AST) -> list[str]:
    """The imports of a module that point up, across to another package of its floor, or are relative."""
    package = package_on_a_floor(module)
    if package is None:
        return [f"{module} belongs to no floor"]
    wrong = []
    for target in imported_modules(tree):
        other = package_on_a_floor(target)
        if target.startswith("."):
            wrong.append(f"{module} imports {target}: relative, so that its floor cannot be seen")
            continue
        same = ONE_PACKAGE.get(other or "", other) == ONE_PACKAGE.get(package, package)
        if other is not None and HEIGHT[other] >= HEIGHT[package] and not same:
            wrong.append(f"{module} imports {target}")
    return wrong


def imported_projects(tree: ast.AST) -> set[str]:
    return {target.split(".")[0] for target in imported_modules(tree)}


@cache
def dotted_names(tree: ast.AST) -> frozenset[str]:
    """Dotted names as they are written: `st.cache_data`, `torch.load`, `print`."""
    nodes = (node for node in nodes_of(tree) if isinstance(node, ast.Attribute | ast.Name))
    return frozenset(ast.unparse(node) for node in nodes)


def import_circles(imports: Mapping[str, set[str]]) -> list[str]:
    """Chains of imports that come back to where they began. imports: module -> the modules that it imports."""
    finished: set[str] = set()
    circles = []

    def follow(module: str, chain: list[str]) -> None:
        if module in chain:
            circles.append(" -> ".join([*chain[chain.index(module) :], module]))
            return
        if module in finished:
            return
        for target in sorted(imports.get(module, ())):
            follow(target, [*chain, module])
        finished.add(module)

    for module in sorted(imports):
        follow(module, [])
    return circles


def test_imports_point_down_or_sideways() -> None:
    modules = {name: tree for name, tree in trees().items() if name != PUBLIC_SURFACE}
    assert [line for name, tree in modules.items() for line in wrong_imports(name, tree)] == []


@pytest.mark.parametrize(
    ("module", "line", "allowed"),
    [
        ("cxr_core.film.decoding.png", "from cxr_core.film.decoding import raster", True),
        ("cxr_core.film.decoding.png", "from cxr_core import errors", True),
        ("cxr_core.film.decoding.png", "from cxr_core.models.card import ModelCard", False),
        ("cxr_core.film.decoding.png", "from cxr_core.reading.report import colormap", False),
        ("cxr_core.film.decoding.png", "from . import raster", False),
        ("cxr_core.errors", "import cxr_core.film.limits", False),
        ("cxr_core.models.store", "from cxr_core.reading.results import Reading", False),
        ("cxr_core.reading.reader", "from cxr_core.models import card", True),
        ("cxr_core.reading.reader", "from cxr_core.data.manifest import Manifest", False),
        ("cxr_core.reading.reader", "def f():\n    import cxr_core.training.fit", False),
        ("cxr_core.inference", "from cxr_core.reading import classifier", True),
        ("cxr_core.inference", "from cxr_core.evaluation import evaluate", False),
        ("cxr_core.evaluation.evaluate", "from cxr_core.inference import predictions", True),
        ("cxr_core.evaluation.evaluate", "from cxr_core.training import fit", False),
        ("cxr_core.training.fit", "from cxr_core.evaluation import evaluate", True),
        ("cxr_core.training.fit", "from cxr_core.jobs import queue", False),
        ("cxr_core.jobs.queue", "from cxr_core.promotion import publish", False),
        ("cxr_core.promotion.publish", "from cxr_core.training import fit", True),
        ("cxr_core.__main__", "from cxr_core.reading.reader import Reader", True),
        ("pages.read", "from pages.components import cache", True),
        ("pages.read", "from train.command_line.arguments import Parser", False),
        ("train.fit", "from pages.components import cache", False),
        ("app", "from pages.components import cache", True),
        ("pages.read", "import app", True),
        ("train.fit", "import benchmarks", False),
    ],
)
def test_the_floors_tell_right_from_wrong(module: str, line: str, allowed: bool) -> None:
    assert (wrong_imports(module, ast.parse(line)) == []) is allowed


def test_no_circle_of_imports_not_even_for_types() -> None:
    imports = {
        module: {
            target for target in imported_modules(tree) if target in trees() and target != module
        }
        for module, tree in trees().items()
        if module != PUBLIC_SURFACE
    }
    packages = {name for name in trees() if (ROOT / name.replace(".", "/")).is_dir()}
    for targets in imports.values():
        targets -= packages  # `from package import module` names the module as well
    assert import_circles(imports) == []


def test_a_circle_of_imports_is_found() -> None:
    assert import_circles({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a -> b -> c -> a"]
    assert import_circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_the_core_has_no_screen_and_no_command_line() -> None:
    core = {
        name: tree
        for name, tree in trees().items()
        if name.startswith("cxr_core") and name != "cxr_core.__main__"
    }
    screens = {"streamlit", "argparse", "click"}
    assert [name for name, tree in core.items() if imported_projects(tree) & screens] == []
    assert [name for name, tree in core.items() if "print" in dotted_names(tree)] == []


def test_one_module_of_the_core_names_the_training_commands() -> None:
    program = re.compile(r"train\.[a-z_]+")
    offenders = []
    for module, tree in trees().items():
        if not module.startswith("cxr_core") or module in COMMANDS:
            continue
        for node in nodes_of(tree):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and program.fullmatch(text):
                offenders.append(f"{module}:{node.lineno} {text}")
    assert offenders == []


def test_pages_films_and_jobs_do_without_torch() -> None:
    torches = {"torch", "torchvision", "timm", "pytorch_grad_cam"}
    light = ("pages", "app", "cxr_core.film", "cxr_core.jobs")
    offenders = [
        name
        for name, tree in trees().items()
        if (name.startswith(light) or name in WITHOUT_TORCH) and imported_projects(tree) & torches
    ]
    assert [name for name in offenders if name != "cxr_core.jobs.estimate_worker"] == []


def test_what_the_first_page_needs_loads_no_torch() -> None:
    """By running it: what a module imports by way of others counts too."""
    jobs = sorted(
        name
        for name in trees()
        if name.startswith("cxr_core.jobs.") and name != "cxr_core.jobs.estimate_worker"
    )
    modules = ", ".join([*WITHOUT_TORCH, *jobs])
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr or "torch was imported"


def test_nothing_is_unpickled() -> None:
    picklers = {
        "pickle",
        "cPickle",
        "_pickle",
        "dill",
        "cloudpickle",
        "joblib",
        "shelve",
        "marshal",
    }
    loaders = {"torch.load", "pd.read_pickle", "pandas.read_pickle"}
    assert [name for name, tree in trees().items() if imported_projects(tree) & picklers] == []
    assert [name for name, tree in trees().items() if dotted_names(tree) & loaders] == []
    for name, tree in trees().items():
        for node in nodes_of(tree):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert ast.unparse(node.value) == "False", name


def opening_calls(tree: ast.AST) -> list[str]:
    """The calls of a module that open a file by its path, with their lines."""
    calls = []
    for node in nodes_of(tree):
        function = node.func if isinstance(node, ast.Call) else None
        named = isinstance(function, ast.Name) and function.id in OPENING_FUNCTIONS
        method = isinstance(function, ast.Attribute) and function.attr in OPENING_METHODS
        if function is not None and (named or method) and ast.unparse(function) != "RunFolder.open":
            calls.append(f"{ast.unparse(function)} in line {node.lineno}")
    return calls


def test_files_from_outside_are_opened_by_one_module() -> None:
    product = {name: tree for name, tree in trees().items() if not name.startswith("benchmarks")}
    offenders = [
        f"{name}: {call}"
        for name, tree in product.items()
        if name not in OPENERS
        for call in opening_calls(tree)
    ]
    assert offenders == []
    lines = ["open(path)", "Path(path).read_bytes()", "pd.read_csv(path)", "read_table(path)"]
    assert list(map(bool, map(opening_calls, map(ast.parse, lines)))) == [True, True, True, False]


def test_session_state_and_the_shared_cache_have_one_home_each() -> None:
    uses = {name: dotted_names(tree) for name, tree in trees().items()}
    assert [name for name, used in uses.items() if "st.session_state" in used] == [
        "pages.components.session"
    ]
    cached = [name for name, used in uses.items() if any(u.startswith("st.cache_") for u in used)]
    assert cached == ["pages.components.cache"]


def test_no_folder_holds_more_modules_than_a_reader_can_hold_in_mind() -> None:
    modules = (path for path in sources() if path.name != "__init__.py")
    count = Counter(str(path.parent.relative_to(ROOT)) for path in modules)
    full = {folder: n for folder, n in count.items() if n > MOST_MODULES_IN_A_FOLDER}
    assert full == {}


def test_modules_are_named_for_what_they_hold_and_say_what_it_is() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    assert [name for name in trees() if vague & set(name.split("."))] == []
    silent = [name for name, tree in trees().items() if tree.body and not ast.get_docstring(tree)]
    assert silent == []


def names_of_the_old_dialect(tree: ast.AST) -> Iterator[str]:
    """Functions, classes, parameters and variables that carry a word of OLD_DIALECT as their name."""
    for node in nodes_of(tree):
        name = ""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = node.name.lower()
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.arg):
            name = node.arg
        if name.strip("_") in OLD_DIALECT:
            yield f"{getattr(node, 'lineno', 0)} {name}"


def test_no_name_of_the_old_dialect_comes_back() -> None:
    product = {name: tree for name, tree in trees().items() if not name.startswith("benchmarks")}
    offenders = [
        f"{module}:{name}"
        for module, tree in product.items()
        for name in names_of_the_old_dialect(tree)
    ]
    offenders += [name for name in product if name.split(".")[-1] in OLD_DIALECT]
    assert offenders == []
    assert list(names_of_the_old_dialect(ast.parse("def standing(run, told): pulse = 1"))) == [
        "1 standing",
        "1 told",
        "1 pulse",
    ]

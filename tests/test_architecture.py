"""The house keeps its floors: who may import whom, told from the source of every module, whatever files there are."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECKED = ("cxr_core", "pages", "train", "benchmarks")

# The lowest floor first. A module lives where its longest matching prefix says.
FLOORS: dict[str, int] = {
    "cxr_core": 0,  # errors, findings, version
    "cxr_core.film": 1,
    "cxr_core.models": 2,
    "cxr_core.reading": 3,
    "cxr_core.data": 3,
    "cxr_core.evaluation": 3,
    "cxr_core.evaluation.evaluate": 4,
    "cxr_core.evaluation.explanations.evaluate_attribution": 4,
    "cxr_core.evaluation.explanations.evaluate_localisation": 4,
    "cxr_core.evaluation.segmentation.evaluate_outlines": 4,
    "cxr_core.evaluation.explanations.evaluate_randomisation": 4,
    "cxr_core.evaluation.segmentation.evaluate_ratio": 4,
    "cxr_core.evaluation.segmentation.evaluate": 4,
    "cxr_core.evaluation.robustness.evaluate_stability": 4,
    "cxr_core.promotion.gate.gate": 4,
    "cxr_core.training": 5,
    "cxr_core.__main__": 6,
    "app": 6,
    "pages": 6,
    "train": 6,
    "benchmarks": 7,
}
# What pages load before a reading is asked for; none of it may cost the import of torch.
LIGHT = (
    *(
        "cxr_core.reading.results",
        "cxr_core.reading.report.html",
        "cxr_core.reading.report.colormap",
    ),
    *("cxr_core.data.prepare", "cxr_core.data.summary", "cxr_core.data.charts"),
    *("cxr_core.jobs.jobs", "cxr_core.training.runs.progress", "cxr_core.jobs.estimate"),
    *(
        "cxr_core.reading.methods",
        "cxr_core.models.card",
        "cxr_core.film.phantom.phantom",
        "cxr_core.film.decoding.decode",
    ),
)


def sources() -> list[Path]:
    files = [
        ROOT / "app.py",
        *(path for folder in CHECKED for path in sorted((ROOT / folder).rglob("*.py"))),
    ]
    return [path for path in files if path.exists()]


def name_of(path: Path) -> str:
    """`cxr_core/film/png.py` -> cxr_core.film.decoding.png; a package by its own name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def home(module: str) -> str | None:
    """The key of FLOORS that a module lives under; None for everybody else's modules."""
    parts = module.split(".")
    prefixes = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((prefix for prefix in prefixes if prefix in FLOORS), None)


def folder(module: str) -> str:
    """Modules of one folder may import each other sideways: app and its pages are one, evaluation is one."""
    place = home(module) or module
    if place.startswith("cxr_core.evaluation."):
        return "evaluation"
    return "pages" if place == "app" else place.removeprefix("cxr_core.")


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that a file imports, at its top or inside a function; `from a import b` also as a.b."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
            yield from (
                f"{node.module}.{alias.name}"
                for alias in node.names
                if node.module and not node.level
            )


def climbs(module: str, tree: ast.AST) -> list[str]:
    """The imports of a module that point up, or across to another folder of its floor."""
    own_floor = FLOORS[home(module) or ""]
    wrong = [
        target for target in imports(tree) if target.startswith(".")
    ]  # relative: the floors could not be seen
    for target in imports(tree):
        place = home(target)
        if place is None:
            continue
        beside = FLOORS[place] == own_floor and folder(target) == folder(module)
        if FLOORS[place] >= own_floor and not beside:
            wrong.append(target)
    return wrong


def roots(tree: ast.AST) -> set[str]:
    return {target.split(".")[0] for target in imports(tree)}


def names_used(tree: ast.AST) -> set[str]:
    """Dotted names as written: `st.cache_data`, `torch.load`, `print`."""
    return {
        ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)
    }


MODULES = {
    name_of(path): ast.parse(path.read_text(encoding="utf-8"), str(path)) for path in sources()
}
in_modules = pytest.mark.parametrize(("module", "tree"), list(MODULES.items()), ids=list(MODULES))


@in_modules
def test_imports_point_down_or_sideways(module: str, tree: ast.AST) -> None:
    assert climbs(module, tree) == []


@pytest.mark.parametrize(
    ("module", "line", "allowed"),
    [
        ("cxr_core.film.decoding.png", "from cxr_core.film import raster", True),
        ("cxr_core.film.decoding.png", "from cxr_core import errors", True),
        ("cxr_core.film.decoding.png", "from cxr_core.models.card import ModelCard", False),
        ("cxr_core.film.decoding.png", "from cxr_core.reading import colour", False),
        ("cxr_core.film.decoding.png", "from . import raster", False),
        ("cxr_core.errors", "import cxr_core.film.decoding.png", False),
        ("cxr_core.models.store", "from cxr_core.reading.results import Reading", False),
        ("cxr_core.reading.reader", "from cxr_core.models import card", True),
        ("cxr_core.reading.reader", "from cxr_core.data.manifest import Manifest", False),
        ("cxr_core.reading.reader", "def f():\n    import cxr_core.training.fit", False),
        ("cxr_core.reading.reader", "from cxr_core.evaluation import metrics", False),
        ("cxr_core.evaluation.metrics.figures", "from cxr_core.evaluation import metrics", True),
        (
            "cxr_core.evaluation.metrics.figures",
            "from cxr_core.evaluation.evaluate import figures",
            False,
        ),
        ("cxr_core.evaluation.metrics.figures", "from cxr_core.evaluation import evaluate", False),
        ("cxr_core.promotion.gate.gate", "from cxr_core.evaluation import evaluate", True),
        (
            "cxr_core.evaluation.evaluate",
            "from cxr_core.reading.classifier import Classifier",
            True,
        ),
        ("cxr_core.training.fit", "from cxr_core.reading import calibration", True),
        ("cxr_core.training.fit", "from cxr_core.evaluation import gate", True),
        ("cxr_core.promotion.gate.gate", "from cxr_core.training import fit", False),
        ("cxr_core.training.fit", "import pages.read", False),
        ("cxr_core.__main__", "from cxr_core.reading.reader import Reader", True),
        ("pages.read", "from pages.components import cache", True),
        ("pages.read", "from train.arguments import Parser", False),
        ("train.fit", "from pages.components import cache", False),
        ("train.fit", "from cxr_core.training import fit", True),
        ("app", "from pages.components import cache", True),
        ("pages.read", "import app", True),
        ("train.fit", "import benchmarks", False),
    ],
)
def test_the_floors_tell_right_from_wrong(module: str, line: str, allowed: bool) -> None:
    assert (climbs(module, ast.parse(line)) == []) is allowed


@in_modules
def test_the_core_has_no_screen_and_no_command_line(module: str, tree: ast.AST) -> None:
    if module.startswith("cxr_core") and module != "cxr_core.__main__":
        assert not roots(tree) & {"streamlit", "argparse", "click"}
        assert "print" not in names_used(tree)


@in_modules
def test_pages_and_films_do_without_torch(module: str, tree: ast.AST) -> None:
    if module.startswith(("pages", "app", "cxr_core.film")) or module in LIGHT:
        assert not roots(tree) & {"torch", "torchvision", "timm", "pytorch_grad_cam"}


def test_what_the_first_page_needs_loads_no_torch() -> None:
    """By running it: what a module imports by way of others counts too."""
    code = f"import sys, {', '.join(LIGHT)}; sys.exit('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr or "torch was imported"


@in_modules
def test_nothing_is_unpickled(module: str, tree: ast.AST) -> None:
    assert not roots(tree) & {
        "pickle",
        "cPickle",
        "_pickle",
        "dill",
        "cloudpickle",
        "joblib",
        "shelve",
        "marshal",
    }
    assert not names_used(tree) & {"torch.load", "pd.read_pickle", "pandas.read_pickle"}
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert ast.unparse(node.value) == "False"


@in_modules
def test_a_sessions_state_and_the_shared_cache_have_one_place_each(
    module: str, tree: ast.AST
) -> None:
    used = names_used(tree)
    if module != "pages.components.session":
        assert "st.session_state" not in used
    if module != "pages.components.cache":
        assert not [name for name in used if name.startswith("st.cache_")]


@pytest.mark.parametrize(
    ("pattern", "limit"), [("app.py", 60), ("pages/*.py", 150), ("train/*.py", 80)]
)
def test_thin_layers_stay_thin(pattern: str, limit: int) -> None:
    for path in ROOT.glob(pattern):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= limit, f"{path.name} has {lines} lines; move what it does into cxr_core"


@in_modules
def test_modules_are_named_for_what_they_hold(module: str, tree: ast.AST) -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    assert not vague & set(module.split("."))
    assert module in {"app"} or ast.get_docstring(tree) or not tree.body, (
        f"{module} does not say what it is for"
    )  # type: ignore[attr-defined]

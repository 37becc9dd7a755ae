"""docs/reproduce.md: every command is understood, and its five commands lead from films to a model that reads."""

import importlib
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch.distributed.run import get_args_parser

from cxr_core.models.registry.registry import list_classifiers
from tests.test_readme import blocks, help_of

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs/reproduce.md"
LINES = [line for block in blocks(DOCUMENT, "sh") for line in block.splitlines() if line.strip()]
# What makes the walk small enough for a test.
SMALL = (
    "backbone=mobilenetv3_small_050",
    "head=averaged",
    "neck=8",
    "input_side=64",
    "epochs=1",
    "batch_size=8",
)


def module_of(words: list[str]) -> list[str]:
    """The module that a command line runs, `cxr_core read` with its verb, and what follows it."""
    return [word for word in words[words.index("-m") + 1 :] if word != "--"]


@pytest.mark.parametrize("line", LINES)
def test_every_command_is_understood(line: str) -> None:
    words = shlex.split(line)
    assert words[0] in (".venv/bin/python", ".venv/bin/torchrun")
    module, *given = module_of(words)
    told = help_of(module, "read") if module == "cxr_core" else help_of(module)
    for flag in [word for word in given if word.startswith("--")]:
        assert re.search(rf"{flag}\b", told), f"{flag} is no option of {module}"
    if module in ("train.fit", "train.grid"):
        names = [word for word in given if re.fullmatch(r"(cardiomegaly|pneumonia)-[\w-]+", word)]
        assert all((ROOT / "train/recipes" / f"{name}.toml").is_file() for name in names)


def test_torchrun_leaves_the_options_of_a_run_alone() -> None:
    """Without `--` it would take `--run` for a prefix of its own `--run-path`."""
    assert all(" -m -- train.fit " in line for line in LINES if "torchrun" in line)


def test_options_of_torchrun_exist() -> None:
    told = get_args_parser().format_help()
    for line in [line for line in LINES if "torchrun" in line]:
        words = shlex.split(line)
        for flag in [word for word in words[: words.index("-m")] if word.startswith("--")]:
            assert flag in told or flag.replace("-", "_").replace("__", "--", 1) in told, flag


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Kermany's layout with films that differ below the middle."""
    chance = np.random.default_rng(0)
    for part, count in (("train", 24), ("test", 6)):
        for label, more in (("NORMAL", 0), ("PNEUMONIA", 100)):
            folder = tmp_path / "chest_xray" / part / label
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = chance.integers(60, 120, (80, 80))
                pixels[40:] += more
                name = f"person{i}_virus_{i}.jpeg" if more else f"IM-{i:04d}-0001.jpeg"
                Image.fromarray(pixels.astype(np.uint8)).save(folder / name, quality=95)
    return tmp_path / "chest_xray"


def test_the_five_commands_lead_to_a_model(films, tmp_path, workspace, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    five = blocks(DOCUMENT, "sh")[0].splitlines()
    assert [module_of(shlex.split(line))[0] for line in five[:4]] == [
        "train.prepare",
        "train.fit",
        "train.evaluate",
        "train.publish",
    ]
    said = []
    for line in five[:4]:
        module, *given = module_of(shlex.split(line.replace("path/to/chest_xray", str(films))))
        more = (
            [word for value in SMALL for word in ("--set", value)] if module == "train.fit" else []
        )
        more += (
            ["--override", "a walk with too few films for the gate"]
            if module == "train.publish"
            else []
        )
        assert importlib.import_module(module).main([*given, *more]) == 0, capsys.readouterr().err
        said.append(Path(capsys.readouterr().out.strip()))
    assert all(path.exists() for path in said)
    assert said[1:3] == [Path("runs/grey/model"), Path("runs/grey/evaluation/metrics.json")]
    assert said[3] in list_classifiers()

    (snippet,) = blocks(DOCUMENT, "python")
    exec(compile(snippet, str(DOCUMENT), "exec"), {})
    auroc = json.loads(said[2].read_text())["findings"]["pneumonia"]["auroc"]
    assert capsys.readouterr().out.startswith(f"{auroc['value']:.3f} (")
    assert (auroc["n"], auroc["positives"]) == (12, 6)

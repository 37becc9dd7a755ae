"""What the log of a workspace says after work on films whose names, folders and headers say whose they are."""

import contextlib
import json
import shutil

import pytest

from cxr_core import __main__ as command
from cxr_core.data.prepare import forget_dataset, prepare_dataset
from cxr_core.errors import SilhouetteError
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom, encode_png
from cxr_core.jobs.actions import delete_run
from cxr_core.models.registry import registry
from cxr_core.models.registry.active_version import activate_version, retire_model
from cxr_core.promotion.imports import import_model
from cxr_core.workspace.log import log_folder
from tests.lit_films import lit_films
from tests.tiny import tiny_model
from train.evaluate import main as evaluate
from train.fit import main as fit

pytestmark = pytest.mark.process

NAME = "Müstermann^Max 1954-03-02 ID4711"
SECRETS = ("stermann", "max", "1954", "4711", "m\\u00fc", "patient", ".png", ".dcm", "/tmp")


@pytest.fixture
def site(tmp_path, monkeypatch, workspace):
    """A workspace with one small model and no other."""
    monkeypatch.setattr(registry, "SHIPPED_MODELS", tmp_path / "none")
    tiny_model(workspace / "models")
    return tmp_path


def lines() -> list[dict]:
    text = (log_folder() / "silhouette.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def outcomes() -> list[tuple[str, str]]:
    return [(line["task"], line["state"]) for line in lines() if line["state"] != "started"]


def test_films_are_counted_and_never_named(site, capsys):
    films = site / NAME
    films.mkdir()
    (films / f"{NAME}.png").write_bytes(encode_png(draw_phantom(PhantomSpec(seed=1))))
    (films / f"{NAME}.dcm").write_bytes(b"not a film of patient ID4711")
    assert command.main(["read", str(films)]) == 3
    (ended,) = [line for line in lines() if line["state"] == "finished"]
    assert (ended["task"], ended["films"], ended["refused"]) == ("reading", 2, 1)
    assert ended["codes"]["undecodable"] == 1
    assert_nothing_secret()


def test_every_kind_of_work_is_told_with_its_outcome_and_without_a_name(site, capsys):
    films = lit_films(site / NAME, train=4, test=2)
    named = films / f"{NAME}.png"
    shutil.copy(next(films.rglob("*.png")), named)
    dataset = prepare_dataset([films])
    data = ["--data", str(films)]
    assert fit(["pneumonia-children", *data, "--set", "init=/no/Müstermann/weights"]) != 0
    assert evaluate(["tiny", *data, "--out", str(site / NAME / "out")]) == 0
    for work in (
        lambda: import_model(f"{NAME}.zip".encode()),
        lambda: activate_version(NAME, "1", NAME),
        lambda: retire_model("tiny", NAME),
        lambda: delete_run(NAME),
    ):
        with contextlib.suppress(SilhouetteError):
            work()
    forget_dataset(dataset.folder)
    told = outcomes()
    assert told[0] == ("preparation", "finished")
    assert [outcome for outcome in told if outcome[0] != "preparation"] == [
        ("training", "refused"),
        ("evaluation", "finished"),
        ("import", "refused"),
        ("activation", "refused"),
        ("retirement", "finished"),
        ("deletion of a run", "refused"),
        ("deletion of a dataset", "finished"),
    ]
    assert_nothing_secret()


def assert_nothing_secret() -> None:
    for path in log_folder().iterdir():
        text = path.read_text(encoding="utf-8").lower()
        assert [secret for secret in SECRETS if secret in text] == []

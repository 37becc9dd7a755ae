"""One damaged model never stops the others: it is left out, and named with the reason wherever films are read."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cxr_core.__main__ import main
from cxr_core.errors import ModelError, ReadingError
from cxr_core.evaluation.segmentation.ratio import load_installed_comparator
from cxr_core.film.decoding.sandbox import DecodePool
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom, encode_png
from cxr_core.models.card import CARD, WEIGHTS
from cxr_core.models.registry import registry
from cxr_core.models.registry.overlap import list_conflicts
from cxr_core.models.registry.registry import registry_fingerprint
from cxr_core.models.store import OOD_STATISTICS
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.reader import LEFT_OUT, Reader
from cxr_core.workspace.hashing import sha256_of_file
from tests.tiny import tiny_card, tiny_model

FILM = encode_png(draw_phantom(PhantomSpec()))


@pytest.fixture(scope="module")
def decoders() -> Iterator[DecodePool]:
    """Started once for all readers here."""
    pool = DecodePool(workers=1)
    yield pool
    pool.close()


@pytest.fixture
def models(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with two models for different findings, `sound` and `worn`, and none shipped."""
    monkeypatch.setattr(registry, "SHIPPED_MODELS", tmp_path / "none")
    tiny_model(workspace / "models", tiny_card("sound", findings=("pneumonia",)))
    tiny_model(workspace / "models", tiny_card("worn", findings=("cardiomegaly",)))
    return workspace / "models"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def put_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def change_card(folder: Path, **facts: object) -> None:
    path = folder / CARD
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


def put_nan(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    tensors["head.linear.bias"] = torch.full_like(tensors["head.linear.bias"], torch.nan)
    save_file(tensors, folder / WEIGHTS)
    change_card(folder, weights_sha256=sha256_of_file(folder / WEIGHTS))


def put_statistics(folder: Path, size: int, value: float) -> None:
    names = {"mean": (size,), "scale": (size,), "axes": (size, 2), "spread": (2,), "rest": ()}
    tensors = {name: torch.full(shape, value) for name, shape in names.items()}
    save_file(tensors, folder / OOD_STATISTICS)
    change_card(folder, familiarity_limit=1.0)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "no card of any sense": lambda folder: (folder / CARD).write_text("{"),
    "an empty card": lambda folder: (folder / CARD).write_text(""),
    "a card in another encoding": lambda folder: (folder / CARD).write_bytes(b"\xff\xfe{}"),
    "a card that is an array": lambda folder: (folder / CARD).write_text("[]"),
    "a folder as card": lambda folder: put_folder(folder / CARD),
    "a pipe as card": lambda folder: put_pipe(folder / CARD),
    "a field of another type": lambda folder: change_card(folder, training=5),
    "a card of a giant network": lambda folder: change_card(
        folder,
        arguments={"backbone": "vit_giant_patch14_224", "findings": 1, "channels": 1, "side": 64},
    ),
    "a baseline of another network": lambda folder: change_card(
        folder, usual_evidence={"cardiomegaly": [[0.0] * 9]}
    ),
    "no weights": lambda folder: (folder / WEIGHTS).unlink(),
    "half the weights": lambda folder: cut(folder / WEIGHTS),
    "a folder as weights": lambda folder: put_folder(folder / WEIGHTS),
    "a pipe as weights": lambda folder: put_pipe(folder / WEIGHTS),
    "weights that are NaN": put_nan,
    "statistics of no sense": lambda folder: (folder / OOD_STATISTICS).write_bytes(b"no tensors"),
    "a folder as statistics": lambda folder: (folder / OOD_STATISTICS).mkdir(),
    "statistics of another network": lambda folder: put_statistics(folder, 7, 1.0),
    "statistics that are NaN": lambda folder: put_statistics(folder, 112, float("nan")),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_is_left_out_and_named(damage, models, decoders):
    before = registry_fingerprint()
    DAMAGES[damage](models / "worn" / "1.0.0")
    assert registry_fingerprint() != before
    reader = Reader.installed(decoders=decoders)
    assert [card.model for card in reader.cards] == ["sound"]
    (flag,) = reader.left_out
    assert flag.code == LEFT_OUT
    assert flag.message.startswith("worn 1.0.0 is left out and reads no film: ")
    assert flag.message.endswith(".")
    assert not flag.message.endswith("..")
    reading = interpret(reader.examine(FILM), Patient())
    assert (reading.status, [each.finding for each in reading.findings]) == ("read", ["pneumonia"])
    assert flag in reading.concerns


def test_a_damaged_pointer_is_named_and_the_highest_version_reads(models):
    (models / "worn" / "current.json").write_text("{")
    reader = Reader.installed()
    assert len(reader.cards) == 2
    (flag,) = reader.left_out
    assert (
        "current.json cannot be read, so worn 1.0.0, the highest version, is active" in flag.message
    )


def test_the_command_reads_on_and_says_so_on_every_line(models, tmp_path, capsys):
    cut(models / "worn" / "1.0.0" / WEIGHTS)
    film = tmp_path / "a.png"
    film.write_bytes(FILM)
    assert main(["read", "--json", str(film)]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [each["finding"] for each in record["findings"]] == ["pneumonia"]
    assert LEFT_OUT in [concern["code"] for concern in record["concerns"]]
    main(["read", str(film)])
    assert "  ! worn 1.0.0 is left out and reads no film: " in capsys.readouterr().out


def test_when_every_model_is_damaged_a_sentence_names_them_all(models, tmp_path, capsys):
    for name in ("sound", "worn"):
        cut(models / name / "1.0.0" / WEIGHTS)
    with pytest.raises(ModelError, match=r"No model can read films\. sound .*worn 1\.0\.0 is left"):
        Reader.installed()
    (tmp_path / "a.png").write_bytes(FILM)
    assert main(["read", str(tmp_path / "a.png")]) == 3
    assert "No model can read films" in capsys.readouterr().err


def test_a_model_that_fails_on_one_film_is_left_out_of_that_film(models, decoders, monkeypatch):
    """Here on any dark film, as a badly trained network may overflow."""
    reader = Reader.installed(decoders=decoders)
    sound, worn = reader.classifiers
    read_grids = type(worn).read_grids

    def fail_on_dark_films(classifier, grids, shapes, **options):
        if classifier is worn and grids.mean(axis=(1, 2)).min() < 70:
            raise ReadingError("worn 1.0.0 gave [nan] instead of finite logits")
        return read_grids(classifier, grids, shapes, **options)

    monkeypatch.setattr(type(worn), "read_grids", fail_on_dark_films)
    dark = draw_phantom(PhantomSpec())
    dark = encode_png(replace(dark, pixels=dark.pixels * np.float32(0.4)))
    examinations = list(reader.examine_many([FILM, dark, FILM]))
    assert [len(each.outputs) for each in examinations] == [2, 1, 2]
    assert examinations[1].outputs[0].card == sound.card
    (flag,) = [each for each in examinations[1].concerns if each.code == LEFT_OUT]
    assert flag.message == "A model is left out: worn 1.0.0 gave [nan] instead of finite logits."


def test_an_evaluation_finds_its_comparator_beside_a_damaged_model(models):
    (models / "sound" / "1.0.0" / CARD).write_text("{")
    comparator = load_installed_comparator()
    assert comparator is not None
    assert comparator.card.model == "worn"
    (models / "worn" / "1.0.0" / CARD).write_text("{")
    with pytest.raises(ModelError, match=r"no readable card|cannot be read"):
        load_installed_comparator()


def test_an_imported_model_whose_pointer_is_damaged_is_named_in_every_reading(
    models: Path, decoders: DecodePool
) -> None:
    """Nobody chose to have it inactive, so its silence must not be taken for an answer."""
    (models / "worn/1.0.0" / registry.IMPORT_RECORD).write_text("{}")
    (models / "worn" / registry.POINTER).write_text("{")
    (problem,) = Reader.installed(decoders=decoders).left_out
    assert problem.code == LEFT_OUT
    assert "so no version of worn is active" in problem.message


@pytest.mark.parametrize("name", ["a-copy", "worn-copy"])
def test_a_copy_of_a_model_under_another_name_gives_no_second_opinion(
    name: str, models: Path, decoders: DecodePool
) -> None:
    shutil.copytree(models / "worn", models / name)
    reader = Reader.installed(decoders=decoders)
    assert [card.model for card in reader.cards] == ["sound", "worn"]
    (flag,) = reader.left_out
    assert f"{name} 1.0.0 is left out" in flag.message
    assert "a copy of worn 1.0.0" in flag.message
    assert list_conflicts() == []

"""A run keeps its worst validation films, in little room, and ends with the same weights as without them."""

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from cxr_core.data.film_set import FilmSet
from cxr_core.training import fit as fitting
from cxr_core.training.engine.watch_films import (
    FOLLOWED,
    WORST,
    FilmWatch,
    choose_followed,
    compute_losses,
    mean_of_known,
)
from cxr_core.training.fit import FitOptions, fit
from cxr_core.training.runs.validation_films import (
    FOLDER,
    KEPT_EPOCHS,
    list_epochs,
    read_epoch,
)
from tests.lit_films import lit_films
from tests.tiny import tiny_card, tiny_network
from tests.training.test_fit import TINY

FINDINGS = ("cardiomegaly", "pneumonia")
NAN = float("nan")


@pytest.fixture
def films() -> FilmSet:
    rng = np.random.default_rng(0)
    grids = rng.integers(0, 256, (20, 64, 64)).astype(np.uint8)
    return FilmSet.from_grids(grids, rng.choice([0, 1, NAN], (20, 2)).astype(np.float32))


def make_inputs(grids: torch.Tensor) -> torch.Tensor:
    return grids[:, None].float() / 255


def make_watch(run: Path, films: FilmSet, epochs: int = 3) -> FilmWatch:
    return FilmWatch(run, films, [f"<b>{n}</b>.png" for n in range(20)], FINDINGS, epochs)


def network_and_logits(films: FilmSet):
    network = tiny_network(tiny_card(findings=FINDINGS)).eval()
    with torch.inference_mode():
        logits = network(make_inputs(torch.from_numpy(films.take_grids(slice(None)))))
    return network, logits.numpy()


def test_losses_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(0, 3, (9, 3)), rng.choice([0.0, 1.0], (9, 3))
    scores = 1 / (1 + np.exp(-logits))
    expected = [
        log_loss(row, score, labels=[0, 1]) for row, score in zip(labels, scores, strict=True)
    ]
    assert mean_of_known(compute_losses(logits, labels)) == pytest.approx(expected)
    labels[0, 1:] = NAN
    assert mean_of_known(compute_losses(logits, labels))[0] == pytest.approx(
        log_loss(labels[0, :1], 1 / (1 + np.exp(-logits[0, :1])), labels=[0, 1])
    )
    labels[0] = NAN
    assert mean_of_known(compute_losses(logits, labels))[0] == -1


def test_worst_films_come_first_with_the_evidence_of_their_worst_finding(
    tmp_path: Path, films: FilmSet
) -> None:
    network, logits = network_and_logits(films)
    make_watch(tmp_path, films).watch(1, True, network, logits, make_inputs)
    watched = read_epoch(tmp_path, 1)
    assert watched is not None
    losses = mean_of_known(compute_losses(logits, films.labels))
    order = np.argsort(-losses)[:WORST]
    assert [film.name for film in watched.worst] == [f"<b>{row}</b>.png" for row in order]
    assert [film.loss for film in watched.worst] == pytest.approx(losses[order], abs=1e-4)
    film, row = watched.worst[0], order[0]
    column = FINDINGS.index(film.finding)
    assert film.logits[film.finding] == pytest.approx(logits[row, column], abs=1e-4)
    with torch.inference_mode():
        grids = torch.from_numpy(films.take_grids(np.array([row])))
        cells = network.head.attribute_to_cells(network.forward_features(make_inputs(grids)))
    assert np.array(film.evidence) == pytest.approx(cells[0, column].numpy(), abs=1e-4)
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(film.picture), np.uint8), 0)
    assert picture.shape == (64, 64)
    assert len(watched.followed) == FOLLOWED


def test_followed_films_are_positive_and_negative_by_turns() -> None:
    labels = np.array([[1, 0], [0, 1], [1, NAN], [0, 0], [NAN, 1]], np.float32)
    rows, columns = choose_followed(labels)
    assert len(set(rows.tolist())) == len(rows) == FOLLOWED
    assert columns == [0, 0, 1, 1]
    assert labels[rows, columns].tolist() == [1, 0, 1, 0]
    rows, columns = choose_followed(np.array([[1.0], [1.0]]))
    assert (rows.tolist(), columns) == ([1, 0], [0, 0])


@pytest.mark.parametrize("epochs", [1, 3, 16, 17, 100, 1000])
def test_long_runs_keep_few_epochs_and_their_best(
    tmp_path: Path, films: FilmSet, epochs: int
) -> None:
    network, logits = network_and_logits(films)
    watch = make_watch(tmp_path, films, epochs)
    best = {1, epochs // 2, epochs - 3}
    for epoch in range(1, epochs + 1):
        watch.watch(epoch, epoch in best, network, logits, make_inputs)
    kept = list_epochs(tmp_path)
    assert kept[0] == 1
    assert max(best) in kept
    assert len(kept) <= KEPT_EPOCHS + 2
    if epochs <= KEPT_EPOCHS:
        assert kept == list(range(1, epochs + 1))
    size = sum(path.stat().st_size for path in (tmp_path / FOLDER).iterdir())
    assert size < 800_000


def test_a_disk_that_refuses_ends_the_watch_and_not_the_run(
    tmp_path: Path,
    films: FilmSet,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    network, logits = network_and_logits(films)
    watch = make_watch(tmp_path, films)
    (tmp_path / FOLDER).write_text("in the way")
    watch.watch(1, True, network, logits, make_inputs)
    watch.watch(2, True, network, logits, make_inputs)
    assert caplog.text.count("no longer kept") == 1
    assert list_epochs(tmp_path) == []


def test_damaged_files_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / "epoch_0001.json").write_text("{")
    (folder / "epoch_x.json").write_text("{}")
    assert list_epochs(tmp_path) == [1]
    assert read_epoch(tmp_path, 1) is None
    assert read_epoch(tmp_path, 2) is None


@pytest.mark.training
def test_a_run_ends_with_the_same_weights_as_one_that_is_not_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = lit_films(tmp_path / "data", train=24, test=6)
    options = FitOptions(report=lambda _: None, device="cpu")
    monkeypatch.setattr("cxr_core.reading.fitting.conformal.ERRORS", {"lenient": 0.4})
    watched = fit(TINY, [data], options, run=tmp_path / "watched")
    assert list_epochs(tmp_path / "watched") == [1, 2]
    monkeypatch.setattr(fitting, "_watch_validation_films", lambda run, films: None)
    plain = fit(TINY, [data], options, run=tmp_path / "plain")
    assert not (tmp_path / "plain" / FOLDER).exists()
    name = "weights.safetensors"
    assert (watched / name).read_bytes() == (plain / name).read_bytes()

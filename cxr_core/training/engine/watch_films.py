"""Watches validation films during training: after an epoch, the worst ones, and a few that are followed, are kept.

It looks at what validation computed anyway, and passes ten films through the network once more for their evidence. It
draws no random number and changes no weight: a run is the same with and without it.
"""

import base64
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from cxr_core.data.film_set import FilmSet
from cxr_core.models.networks.architectures import FilmClassifier
from cxr_core.training.runs.validation_films import (
    WatchedEpoch,
    WatchedFilm,
    is_kept,
    write_epoch,
)

WORST, FOLLOWED = 6, 4
PICTURE_PX = 96
JPEG_QUALITY = 80

log = logging.getLogger(__name__)


class FilmWatch:
    """The films of one run. It stops for good when the disk refuses a file."""

    def __init__(
        self, run: Path, films: FilmSet, names: Sequence[str], findings: Sequence[str], epochs: int
    ):
        """run: its folder.  films: of the validation split, with pixels.  names: of their files.

        findings: those of the first columns of the films' labels.  epochs: of the whole run.
        """
        self.run, self.films, self.names = run, films, names
        self.findings, self.epochs = tuple(findings), epochs
        self.labels = films.labels[:, : len(self.findings)]
        self._followed, self._followed_columns = choose_followed(self.labels)
        self._has_ended = False

    def watch(
        self,
        epoch: int,
        is_best: bool,
        network: FilmClassifier,
        logits: np.ndarray,
        inputs: Callable[[Tensor], Tensor],
    ) -> None:
        """Keep what an epoch's network makes of the films, if this epoch is to be kept.

        network: in eval mode.  logits: (N, L) of all films.  inputs: from grids to what the network takes.
        """
        is_wanted = is_best or is_kept(epoch, self.epochs)
        if self._has_ended or not is_wanted or not np.isfinite(logits).all():
            return
        losses = compute_losses(logits, self.labels)  # (N, L)
        film_losses = mean_of_known(losses)
        worst = np.argsort(-film_losses, kind="stable")[:WORST]
        chosen = np.concatenate([worst, self._followed])
        grids = self.films.take_grids(chosen)
        with torch.inference_mode():
            features = network.forward_features(inputs(torch.from_numpy(grids)))
            evidence = network.head.attribute_to_cells(features).float().cpu().numpy()
        # A followed film keeps its finding; of a worst one, the finding that it got most wrong is shown.
        columns = [_find_worst(losses[row]) for row in worst] + self._followed_columns
        watched = [
            self._describe(row, column, grid, cells[column], logits[row])
            for row, column, grid, cells in zip(
                chosen.tolist(), columns, grids, evidence, strict=True
            )
        ]
        record = WatchedEpoch(
            epoch=epoch,
            films=len(self.films),
            worst=tuple(watched[: len(worst)]),
            followed=tuple(watched[len(worst) :]),
        )
        try:
            write_epoch(self.run, record, self.epochs, is_best=is_best)
        except OSError as error:
            self._has_ended = True
            log.warning("the worst validation films are no longer kept: %s", error.strerror)

    def _describe(
        self, row: int, column: int, grid: np.ndarray, evidence: np.ndarray, logits: np.ndarray
    ) -> WatchedFilm:
        """column: of the finding whose evidence (h, w) is given.  logits: (L,)."""
        labels = self.labels[row]
        loss = mean_of_known(compute_losses(logits[None], labels[None]))[0]
        return WatchedFilm(
            name=self.names[row],
            picture=_encode(grid),
            labels={
                key: 1 if label == 1 else 0
                for key, label in zip(self.findings, labels, strict=True)
                if not np.isnan(label)
            },
            logits={
                key: round(float(logit), 4)
                for key, logit in zip(self.findings, logits, strict=True)
            },
            loss=round(float(loss), 4),
            finding=self.findings[column],
            evidence=tuple(tuple(round(float(cell), 4) for cell in cells) for cells in evidence),
        )


def choose_followed(labels: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Rows of the films that are followed, and for each the column of its finding.

    Of the first findings by turns a positive and a negative film, the middle one of all. labels: (N, L), NaN for
    unknown. The same films give the same rows.
    """
    rows: list[int] = []
    columns: list[int] = []
    for number in range(FOLLOWED):
        column, label = (number // 2) % labels.shape[1], 1 - number % 2
        left = np.setdiff1d(np.flatnonzero(labels[:, column] == label), rows)
        if len(left):
            rows.append(int(left[len(left) // 2]))
            columns.append(column)
    return np.array(rows, dtype=int), columns


def _find_worst(losses: np.ndarray) -> int:
    """The column of the largest loss (L,); the first where no label is known."""
    return 0 if np.isnan(losses).all() else int(np.nanargmax(losses))


def compute_losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(N, L) cross-entropy without weights or smoothing, NaN where the label is unknown."""
    logits = logits.astype(np.float64)
    losses: np.ndarray = np.logaddexp(0, logits) - logits * labels
    return losses


def mean_of_known(losses: np.ndarray) -> np.ndarray:
    """(N,) the mean over known labels; -1 where none is known, which is the worst of no film."""
    known = ~np.isnan(losses)
    total = np.where(known, losses, 0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(1, known.sum(axis=1)), -1.0)


def _encode(grid: np.ndarray) -> str:
    """A grid (S, S) uint8 as a small base64 JPEG."""
    side = min(PICTURE_PX, len(grid))
    small = cv2.resize(grid, (side, side), interpolation=cv2.INTER_AREA)
    _, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return base64.b64encode(jpeg.tobytes()).decode("ascii")

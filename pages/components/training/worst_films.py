"""Shows the validation films that a run got most wrong, epoch by epoch, and how its evidence moved on a few others."""

import base64
from collections.abc import Sequence

import cv2
import numpy as np
import streamlit as st

from cxr_core.film.enlarge_cells import enlarge_cells
from cxr_core.jobs.job import Job
from cxr_core.presentation.wording import finding_in_sentence, format_count
from cxr_core.reading.report.colormap import overlay_heatmap
from cxr_core.training.runs.validation_films import (
    WatchedEpoch,
    WatchedFilm,
    list_epochs,
    read_epoch,
)
from pages.components.error_boundary import show_errors
from pages.components.gallery import Picture, encode_jpeg, show_gallery
from pages.components.markdown import plain

SHOWN_PX = 192
LABEL_WORDS = {1: "positive", 0: "negative"}


def show_worst_films(run: Job) -> None:
    """The worst films of an epoch that the reader chooses, then the followed films through all epochs."""
    watched = [read_epoch(run.folder, epoch) for epoch in list_epochs(run.folder)]
    epochs = [each for each in watched if each is not None]
    if not epochs:
        return
    with st.expander("Validation films: the worst, and the evidence over the epochs"):
        show_evidence = st.toggle("Evidence", value=True, key=f"worst-evidence-{run.id}")
        _show_worst(run, epochs, show_evidence)
        _show_followed(run, epochs, show_evidence)


@st.fragment
@show_errors()
def _show_worst(run: Job, epochs: Sequence[WatchedEpoch], show_evidence: bool) -> None:
    by_number = {each.epoch: each for each in epochs}
    number = epochs[-1].epoch
    if len(epochs) > 1:
        number = st.select_slider(
            "Epoch", list(by_number), value=number, key=f"worst-epoch-{run.id}"
        )
    epoch = by_number[number]
    st.markdown(
        f"**The {len(epoch.worst)} worst of {format_count(epoch.films, 'validation films')}** "
        f":gray[after epoch {number}, by cross-entropy of the known labels]"
    )
    scale = _find_scale(epochs)
    _show_films(epoch.worst, scale if show_evidence else None, f"worst-{run.id}")
    st.caption(
        "The label, then the score: the network's output before calibration, no probability. The evidence is what "
        "each part of the film adds to the finding's logit, without the baseline that a finished model subtracts; its "
        "colours mean the same on every film and in every epoch."
    )


def _show_followed(run: Job, epochs: Sequence[WatchedEpoch], show_evidence: bool) -> None:
    """A row for each film, with a picture for each epoch."""
    names = [film.name for film in epochs[0].followed]
    if len(epochs) < 2 or not names:
        return
    st.markdown("**The same films over the epochs**")
    scale = _find_scale(epochs) if show_evidence else None
    for position, name in enumerate(names):
        steps = [
            (each.epoch, each.followed[position])
            for each in epochs
            if position < len(each.followed) and each.followed[position].name == name
        ]
        st.caption(f"{plain(name)} · {_describe_label(steps[0][1])}")
        pictures = [
            _make_picture(film, scale, f"epoch {epoch}", (f"score {film.score(film.finding):.2f}",))
            for epoch, film in steps
        ]
        show_gallery(pictures, key=f"followed-{run.id}-{position}")


def _show_films(films: Sequence[WatchedFilm], scale: float | None, key: str) -> None:
    pictures = [
        _make_picture(
            film,
            scale,
            film.name,
            (_describe_label(film), f"score {film.score(film.finding):.2f}, loss {film.loss:.2f}"),
        )
        for film in films
    ]
    show_gallery(pictures, key=key)


def _make_picture(
    film: WatchedFilm, scale: float | None, name: str, lines: tuple[str, ...]
) -> Picture:
    """scale: evidence in logits that is drawn in full colour; None to draw none."""
    grey = cv2.imdecode(np.frombuffer(base64.b64decode(film.picture), np.uint8), 0)
    if grey is None:
        return Picture(name=name, jpeg="", lines=lines, note="no picture")
    side = max(SHOWN_PX, len(grey))
    grey = cv2.resize(grey, (side, side), interpolation=cv2.INTER_CUBIC)
    if scale is None:
        return Picture(name=name, jpeg=encode_jpeg(grey), lines=lines)
    cells = enlarge_cells(np.array(film.evidence, np.float32))
    heat = cv2.resize(cells, (side, side), interpolation=cv2.INTER_LINEAR)
    coloured = overlay_heatmap(grey / np.float32(255), heat, scale)
    return Picture(name=name, jpeg=encode_jpeg(coloured[..., ::-1]), lines=lines)


def _find_scale(epochs: Sequence[WatchedEpoch]) -> float:
    """The 95th percentile of the strongest cells of all films and epochs: the same scale for every picture."""
    strongest = [
        max(map(max, film.evidence), default=0.0)
        for epoch in epochs
        for film in (*epoch.worst, *epoch.followed)
        if film.evidence
    ]
    return max(float(np.percentile(strongest, 95)), 1e-6) if strongest else 1.0


def _describe_label(film: WatchedFilm) -> str:
    """`pneumonia positive`."""
    label = film.labels.get(film.finding)
    word = "unknown" if label is None else LABEL_WORDS[label]
    return f"{finding_in_sentence(film.finding)} {word}"

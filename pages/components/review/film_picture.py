"""Shows a film of a project: from the dataset that it reviews, or as it was kept."""

from functools import partial

import streamlit as st

from cxr_core.data.manifest import Manifest
from cxr_core.data.registry import find_dataset
from cxr_core.errors import DataError, FeedbackError, FileRefused, FilmRefused
from cxr_core.feedback.films import load_film
from cxr_core.feedback.projects import Project
from cxr_core.feedback.review.dataset_review import read_review_film
from cxr_core.film.decoding.sandbox import DecodePool
from cxr_core.film.limits import MAX_BYTES
from cxr_core.workspace.outside_files import read_outside_file
from pages.components import cache
from pages.components.markdown import plain
from pages.components.review.page_state import ReviewPageState
from pages.components.review.pictures import FilmPicture
from pages.components.viewer import Marking, ViewerFilm, encode_picture, show_viewer

VIEWER = "viewer"


def show_film(
    state: ReviewPageState,
    project: Project,
    film: int,
    pixels_sha256: str,
    marking: Marking | None = None,
) -> None:
    """The film in the viewer, or why it cannot be shown. film: its number in the project."""
    try:
        load = _prepare_loading(project, film, pixels_sha256)
        picture = state.pictures.get(pixels_sha256, load)
    except (FeedbackError, FileRefused, FilmRefused, DataError) as error:
        st.error(plain(str(error)))
        return
    show_viewer(
        ViewerFilm(id=f"{film}-{pixels_sha256}", picture=picture.picture, shape=picture.shape),
        methods={},
        marking=marking,
        key=f"review-{VIEWER}",
    )


def fetch_ahead(state: ReviewPageState, project: Project, film: int, pixels_sha256: str) -> None:
    """Make the picture of a film that will be read next; what is wrong with it is said when it is."""
    try:
        load = _prepare_loading(project, film, pixels_sha256)
    except (FeedbackError, DataError):
        return
    state.pictures.fetch_ahead(pixels_sha256, load)


def load_films(project: Project) -> Manifest:
    """The films of the dataset that a project reviews. Raises FeedbackError when it is gone."""
    try:
        usable = cache.load_dataset_contents(find_dataset(project.dataset)).usable
    except DataError as error:
        raise FeedbackError(
            f"the films of {project.name} cannot be opened: {error}. Register the dataset again"
        ) from error
    if usable is None:
        raise FeedbackError(f"no film of {project.dataset} can be used any more")
    return usable.manifest


def _prepare_loading(project: Project, film: int, pixels_sha256: str) -> "partial[FilmPicture]":
    """What makes the picture, in whichever thread: everything that asks Streamlit is asked here."""
    decoder = cache.dataset_decoder()
    if project.dataset:
        return partial(_load_of_dataset, decoder, load_films(project), pixels_sha256)
    return partial(_load_kept, decoder, film)


def _load_of_dataset(decoder: DecodePool, films: Manifest, pixels_sha256: str) -> FilmPicture:
    return _decode(decoder, read_review_film(films, pixels_sha256))


def _load_kept(decoder: DecodePool, film: int) -> FilmPicture:
    known = load_film(film)
    if not known.is_kept:
        raise FeedbackError(
            "this film was not kept in the project, only the verdicts on it; pass it over"
        )
    return _decode(decoder, read_outside_file(known.picture, MAX_BYTES))


def _decode(decoder: DecodePool, data: bytes) -> FilmPicture:
    film = decoder.decode(data)
    return FilmPicture(picture=encode_picture(film), shape=film.shape)

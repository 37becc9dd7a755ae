"""A dialog with one film of a dataset: large, with its boxes, its facts, and the patient's other films."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import streamlit as st

from cxr_core.data.registry import Dataset
from cxr_core.data.selection import Selection
from cxr_core.errors import FileRefused, FilmRefused
from cxr_core.film.limits import MAX_BYTES
from cxr_core.presentation.wording import finding_name
from cxr_core.workspace.outside_files import read_outside_file
from pages.components import cache
from pages.components.datasets.contents import DatasetContents, FilmFacts
from pages.components.datasets.page_state import DataPageState
from pages.components.datasets.thumbnails import find_boxes, make_thumbnails
from pages.components.error_boundary import show_errors
from pages.components.gallery import Picture, encode_jpeg, show_gallery, show_large_picture
from pages.components.markdown import plain

LONGEST_SIDE_PX = 1024
OTHER_FILMS_SHOWN = 24
FACTS_PX = 330
LABEL_NAMES = {1: "Positive", 0: "Negative", -1: "Unknown"}


@st.dialog("Film", width="large")
@show_errors()
def show_dataset_film(state: DataPageState, dataset: Dataset, contents: DatasetContents) -> None:
    """The chosen film; a click on another film of the same patient replaces it."""
    row = contents.listed.find_image(state.open_image)
    if row is None:
        st.markdown("This film is no longer in the dataset.")
        return
    film = contents.listed.facts_of(row)
    with st.container(horizontal=True, gap="medium"):
        with st.container(key="film-picture"):
            show_film_picture(contents, film)
        with st.container(width=FACTS_PX, gap="small"):
            _show_facts(contents, row, film)

    def open_other(image: str) -> None:
        state.open_image = image

    show_other_films(dataset, contents, row, open_other)


def _show_facts(contents: DatasetContents, row: int, film: FilmFacts) -> None:
    st.text(film.image.rsplit("/", 1)[-1])
    for warning in _list_warnings(contents, row, film):
        st.warning(plain(warning), icon=":material/warning:")
    labels = _list_labels(contents, row)
    st.markdown("\n".join(f"- **{name}:** {plain(value)}" for name, value in labels))
    st.caption(" · ".join(plain(fact) for fact in describe_film(film)))


def show_film_picture(contents: DatasetContents, film: FilmFacts) -> None:
    """The film as large as there is room, with its boxes; or why it cannot be shown."""
    if film.status == "missing":
        st.info("The file is missing: only what the table says about it is known.")
        return
    grey = _decode_film(Path(film.image))
    if isinstance(grey, str):
        st.error(plain(grey))
        return
    height, width = grey.shape
    shrink = min(1.0, LONGEST_SIDE_PX / max(height, width))
    if shrink < 1:
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    picture = Picture(
        name=film.image,
        jpeg=encode_jpeg(grey),
        boxes=find_boxes(contents.listed, film.image),
        aspect=width / height,
    )
    show_large_picture(picture, key="film-large")


def _decode_film(path: Path) -> np.ndarray | str:
    """The film's grey pixels (H, W) uint8, decoded in a sandboxed process; or a sentence why there are none."""
    try:
        film = cache.dataset_decoder().decode(read_outside_file(path, MAX_BYTES))
    except (FileRefused, FilmRefused) as error:
        return str(error)
    grey: np.ndarray = np.rint(film.pixels * 255).clip(0, 255).astype(np.uint8)
    return grey


def _list_labels(contents: DatasetContents, row: int) -> list[tuple[str, str]]:
    """The findings grouped by label, positive ones first."""
    index = contents.listed.index
    if not index.findings:
        return [("Labels", "none in this dataset")]
    names: dict[int, list[str]] = {1: [], 0: [], -1: []}
    for finding, label in zip(index.findings, index.labels[row], strict=True):
        names[int(label)].append(finding_name(finding))
    return [(LABEL_NAMES[label], ", ".join(group)) for label, group in names.items() if group]


def describe_film(film: FilmFacts) -> list[str]:
    """What the manifest records about a film, a phrase for each fact."""
    phrases = [f"patient {film.patient}"]
    for name, value in (("split", film.split), ("view", film.view), ("sex", film.sex)):
        if value is not None:
            phrases.append(f"{name} {value}")
    phrases.append("age unknown" if film.age is None else f"{film.age:g} years")
    if film.width is not None and film.height is not None:
        phrases.append(f"{film.width:g} × {film.height:g} px")
    if film.bits is not None:
        phrases.append(f"{film.bits:g} bits")
    phrases.append(f"from {film.source}")
    if film.reason is not None:
        phrases.append(f"{film.status}: {film.reason}")
    phrases.append(film.image)
    return phrases


def _list_warnings(contents: DatasetContents, row: int, film: FilmFacts) -> list[str]:
    """The issues that name this film, and its quality flags."""
    concerned = contents.listed.index.concerned
    titles = [issue.title for issue in contents.issues if row in concerned[issue.code]]
    flags = [code.replace("_", " ").capitalize() for code in film.quality_flags]
    return list(dict.fromkeys([*titles, *flags]))


def show_other_films(
    dataset: Dataset, contents: DatasetContents, row: int, on_open: Callable[[str], None]
) -> None:
    """The other films of a film's patient; a click calls `on_open` with the path of the clicked one."""
    films = contents.listed
    patient = str(films.manifest.table["patient"].iloc[row])
    others = films.index.find_rows(Selection(patient=patient))
    others = others[others != row]
    if not len(others):
        st.caption("The patient has no other film.")
        return
    more = ""
    if len(others) > OTHER_FILMS_SHOWN:
        more = f", the first {OTHER_FILMS_SHOWN} of {len(others)}"
    st.markdown(f"**Other films of this patient**{more}")
    shown = others[:OTHER_FILMS_SHOWN]
    images = films.images_of(shown)
    show_gallery(
        make_thumbnails(dataset, films, shown),
        key="gallery-patient",
        on_open=lambda position: on_open(images[position]),
    )

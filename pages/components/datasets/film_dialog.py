"""One film of a dataset over the page: large, with its boxes, what is known of it, and its patient's other films."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import streamlit as st

from cxr_core.data.registry import Dataset
from cxr_core.data.selection import Selection
from cxr_core.errors import FilmRefused
from cxr_core.film.limits import MAX_BYTES
from pages.components import cache
from pages.components.datasets.contents import Contents
from pages.components.datasets.thumbnails import boxes_of, finding_label, pictures_of
from pages.components.gallery import Picture, as_jpeg, show_large, show_pictures
from pages.components.markdown import plain
from pages.components.session import Exploration

LONGEST_SIDE_PX = 1024
OTHERS_SHOWN = 24
WORDS_PX = 330
LABEL_WORDS = {1: "Positive", 0: "Negative", -1: "Unknown"}


@st.dialog("Film", width="large")
def show_film(exploration: Exploration, dataset: Dataset, contents: Contents) -> None:
    """The film that the tab looks at; a click on another of the same patient puts that one in its place."""
    films = contents.listed
    (rows,) = np.nonzero((films.manifest.table["image"] == exploration.film).to_numpy())
    if not len(rows):
        st.markdown("This film is no longer in the dataset.")
        return
    row = int(rows[0])
    facts = films.manifest.table.iloc[row].to_dict()
    with st.container(horizontal=True, gap="medium"):
        with st.container(key="film-picture"):
            show_picture(contents, facts)
        with st.container(width=WORDS_PX, gap="small"):
            _show_words(contents, row, facts)

    def opened(image: str) -> None:
        exploration.film = image

    show_others(dataset, contents, row, opened)


def _show_words(contents: Contents, row: int, facts: Mapping[str, Any]) -> None:
    st.text(str(facts["image"]).rsplit("/", 1)[-1])
    for concern in _concerns(contents, row, facts):
        st.warning(plain(concern), icon=":material/warning:")
    st.markdown(
        "\n".join(f"- **{name}:** {plain(value)}" for name, value in _labels(contents, row))
    )
    st.caption(" · ".join(plain(fact) for fact in film_facts(facts)))


def show_picture(contents: Contents, facts: Mapping[str, Any]) -> None:
    """The film as large as there is room, with its boxes, or why it cannot be shown. facts: its row of the manifest."""
    image = str(facts["image"])
    if facts["status"] == "missing":
        st.info("The file is not here: only what the table says of it is known.")
        return
    grey = _decoded(Path(image))
    if isinstance(grey, str):
        st.error(plain(grey))
        return
    height, width = grey.shape
    shrink = min(1.0, LONGEST_SIDE_PX / max(height, width))
    if shrink < 1:
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    boxes = boxes_of(contents.listed, image)
    show_large(
        Picture(name=image, jpeg=as_jpeg(grey), boxes=boxes, aspect=width / height),
        key="film-large",
    )


def _decoded(path: Path) -> np.ndarray | str:
    """The film's grey pixels (H, W) uint8, decoded in a process apart; or why there are none."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return f"{path} is larger than the {MAX_BYTES >> 20} MB that a film may have."
        film = cache.decoder().decode(path.read_bytes())
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}."
    except FilmRefused as error:
        return str(error)
    grey: np.ndarray = np.rint(film.pixels * 255).clip(0, 255).astype(np.uint8)
    return grey


def _labels(contents: Contents, row: int) -> list[tuple[str, str]]:
    """The findings by what the label says, positive ones first; one word when all the rest are negative."""
    index = contents.listed.index
    if not index.findings:
        return [("Labels", "none in this dataset")]
    said: dict[int, list[str]] = {1: [], 0: [], -1: []}
    for key, label in zip(index.findings, index.labels[row], strict=True):
        said[int(label)].append(finding_label(key))
    return [(LABEL_WORDS[label], ", ".join(names)) for label, names in said.items() if names]


def film_facts(facts: Mapping[str, Any]) -> list[str]:
    """What a row of the manifest says of a film, a phrase for each fact."""
    found = [f"patient {facts['patient']}"]
    found += [
        f"{name} {facts[key]}"
        for key, name in (("split", "part"), ("view", "view"), ("sex", "sex"))
        if _known(facts[key])
    ]
    found += [f"{facts['age']:g} years"] if _known(facts["age"]) else ["age unknown"]
    if _known(facts["width"]) and _known(facts["height"]):
        found.append(f"{facts['width']:g} × {facts['height']:g} px")
    found += [f"{facts['bits']:g} bits"] if _known(facts["bits"]) else []
    found.append(f"from {facts['source']}")
    found += [f"{facts['status']}: {facts['reason']}"] if _known(facts["reason"]) else []
    return [*found, str(facts["image"])]


def _concerns(contents: Contents, row: int, facts: Mapping[str, Any]) -> list[str]:
    """What the doctor's issues, and the look at the film itself, have against it."""
    concerned = zip(contents.issues, contents.listed.index.concerned, strict=True)
    titles = [issue.title for issue, rows in concerned if row in rows]
    codes = str(facts["concerns"]).split("|") if _known(facts["concerns"]) else []
    return list(
        dict.fromkeys([*titles, *(code.replace("_", " ").capitalize() for code in codes if code)])
    )


def show_others(
    dataset: Dataset, contents: Contents, row: int, on_open: Callable[[str], None]
) -> None:
    """The other films of the patient of one; a click calls `on_open` with the image of the one clicked."""
    films = contents.listed
    patient = str(films.manifest.table["patient"].iloc[row])
    others = films.index.rows(Selection(patient=patient))
    others = others[others != row]
    if not len(others):
        st.caption("The patient's only film.")
        return
    more = f", the first {OTHERS_SHOWN} of {len(others)}" if len(others) > OTHERS_SHOWN else ""
    st.markdown(f"**The patient's other films**{more}")
    shown = others[:OTHERS_SHOWN]
    images = [str(image) for image in films.manifest.table["image"].iloc[shown]]
    show_pictures(
        pictures_of(dataset, films, shown),
        key="gallery-patient",
        on_open=lambda place: on_open(images[place]),
    )


def _known(value: object) -> bool:
    return value is not None and value == value

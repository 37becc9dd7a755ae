"""A page with nothing but film viewers: `streamlit run tests/browser/viewer_page.py`. `?two` shows a linked pair."""

import cv2
import numpy as np
import streamlit as st

from cxr_core.film.phantom.phantom import draw_phantom
from cxr_core.film.preprocess import InputSpec, Placement
from cxr_core.film.radiograph import Radiograph
from cxr_core.reading.results import EXACT_METHOD, HEATMAP_METHODS, Attribution
from pages.components.session import chosen_method, moved_ends, requested_adjustment
from pages.components.viewer import Calipers, Layer, ViewerFilm, encode_picture, show_viewer
from tests.hearts import SLENDER, WIDE, segment_drawing
from tests.pages.fake_reader import FakeReader

SPACING = (0.5, 0.25, "at the detector")
DRAWINGS = {"slender": SLENDER, "wide": WIDE}
SLOPES = {"grey": 0.5, "bright": 0.6, "dark": -0.1}
ROWS, COLUMNS = 500, 300


def make_slope(name: str) -> bytes:
    """A file with a film taller than wide: a slope of grey from left to right, of that mean brightness."""
    slope = np.linspace(-60, 60, COLUMNS)[None] + 255 * SLOPES[name] + np.zeros((ROWS, 1))
    return cv2.imencode(".png", np.clip(slope, 0, 255).astype(np.uint8))[1].tobytes()


def show_received(key: str) -> None:
    adjustment, ends = requested_adjustment(key), moved_ends(key)
    st.session_state["received"] = [
        f"{adjustment.change} of {adjustment.film}" if adjustment else "nothing",
        f"{ends.heart} {ends.thorax}" if ends else "nothing",
    ]


def show_film(name: str, key: str, link: str | None = None) -> None:
    """One viewer with a drawing, which has heart and heatmap, or with a slope, which has two heatmaps."""
    if name in DRAWINGS:
        film, layers, calipers = draw_phantom(DRAWINGS[name]), make_one_cell(name), outline(name)
    else:
        examination = FakeReader().examine(make_slope(name))
        assert examination.film is not None
        film, layers, calipers = examination.film, read_slope(name, key), None
    show_viewer(
        make_film(name, film),
        layers,
        first_layer=layers[0].key,
        methods=HEATMAP_METHODS,
        calipers=calipers,
        on_ends=lambda: show_received(key),
        on_adjust=None if "fixed" in st.query_params else lambda: show_received(key),
        link=link,
        key=key,
    )


def make_film(name: str, film: Radiograph) -> ViewerFilm:
    return ViewerFilm(
        id=name,
        picture=encode_picture(film),
        shape=film.shape,
        is_drawing=name in DRAWINGS,
        spacing=SPACING if "spacing" in st.query_params else None,
        mirrored="mirrored" in st.query_params,
    )


def make_one_cell(name: str) -> list[Layer]:
    """Evidence in one cell of a coarse map, and less of it in the next."""
    cells = np.full((8, 8), -0.02, np.float32)
    cells[5, 4], cells[5, 5] = 0.45, 0.25
    heatmap = Attribution(
        finding="cardiomegaly",
        method=EXACT_METHOD,
        unit="logit",
        cells=cells,
        scale=0.5,
        placement=Placement.fit(draw_phantom(DRAWINGS[name]).shape, InputSpec(side=256)),
    )
    return [Layer(key="heart", label="Cardiomegaly", note="", attribution=heatmap)]


def outline(name: str) -> Calipers:
    """True contours and diameters; the heart's outermost points differ in height."""
    outlines = segment_drawing(DRAWINGS[name])
    assert outlines.heart is not None
    assert outlines.thorax is not None
    (x0, y0), (x1, y1) = outlines.heart
    return Calipers(
        outlines=outlines.contours,
        heart=((x0, y0 - 20), (x1, y1 + 12)),
        thorax=outlines.thorax,
        measured=True,
    )


def read_slope(name: str, key: str) -> list[Layer]:
    """The heatmaps of a reader without networks, by the method chosen in the viewer."""
    reader, method = FakeReader(), chosen_method(key, EXACT_METHOD)
    layers = []
    for output in reader.examine(make_slope(name)).outputs:
        for finding, exact in output.attributions.items():
            by_method = reader.explain(output, finding, method)
            heatmap = exact if method == EXACT_METHOD else by_method
            label = finding.capitalize()
            layers.append(Layer(key=finding, label=label, note="", attribution=heatmap))
    return layers


def show_page() -> None:
    st.set_page_config(layout="wide")
    names = [*DRAWINGS, *SLOPES]
    first = names.index(st.query_params.get("film", "slender"))
    name = st.radio("Film", names, index=first, horizontal=True)
    if "two" in st.query_params:
        left, right = st.columns(2)
        with left:
            show_film(name, "current", "pair")
        with right:
            show_film("wide", "prior", "pair")
    else:
        show_film(name, "viewer")
    for line in st.session_state.get("received", []):
        st.code(line, language=None)


if __name__ == "__main__":
    show_page()

"""A dialog with one film of an evaluation: its prediction, its heatmap on request, the patient's other films."""

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from cxr_core.data.film_lookup import FoundFilms
from cxr_core.errors import SilhouetteError
from cxr_core.evaluation.store.loaded import FindingView, LoadedEvaluation
from cxr_core.film.limits import MAX_BYTES
from cxr_core.presentation.wording import finding_name, format_percent
from cxr_core.reading.results import EXACT_METHOD, HEATMAP_METHODS, Attribution, ModelOutput
from cxr_core.workspace.outside_files import read_outside_file
from pages.components import cache
from pages.components.datasets.contents import FilmFacts
from pages.components.datasets.film_dialog import (
    FACTS_PX,
    describe_film,
    show_film_picture,
    show_other_films,
)
from pages.components.error_boundary import show_errors
from pages.components.evaluation.page_state import DisplayedFilm, EvaluatePageState
from pages.components.markdown import plain
from pages.components.session import chosen_method
from pages.components.viewer import Layer, ViewerFilm, encode_picture, show_viewer

VIEWER_KEY = "evaluated-film-viewer"


@st.dialog("Film", width="large")
@show_errors()
def show_evaluated_film(
    state: EvaluatePageState,
    evaluation: LoadedEvaluation,
    finding: str,
    view: FindingView,
    found: FoundFilms,
) -> None:
    """The chosen film; a click on another film of the same patient replaces it."""
    contents = cache.load_dataset_contents(found.dataset)
    row = contents.listed.find_image(state.open_image)
    if row is None:
        st.markdown("This film is no longer in the dataset.")
        return
    film = contents.listed.facts_of(row)
    with st.container(horizontal=True, gap="medium"):
        picture = st.container(key="film-picture")
        text = st.container(width=FACTS_PX, gap="small")
    with text:
        _show_prediction(finding, _find_prediction(view, found, row), film)
        wants_heatmap = st.toggle(
            "Heatmap",
            key="evaluated-heat",
            help="Reads the film again with the installed models.",
        )
    with picture:
        if wants_heatmap:
            _show_heatmap(state, evaluation, finding, Path(film.image))
        else:
            show_film_picture(contents, film)

    def open_other(image: str) -> None:
        state.open_image = image

    show_other_films(found.dataset, contents, row, open_other)


def _find_prediction(view: FindingView, found: FoundFilms, row: int) -> pd.Series | None:
    """The prediction for the film in a row of the dataset; None when it was not evaluated."""
    (positions,) = np.nonzero(found.rows == row)
    return view.films.iloc[int(positions[0])] if len(positions) else None


def _show_prediction(finding: str, prediction: pd.Series | None, film: FilmFacts) -> None:
    st.text(film.image.rsplit("/", 1)[-1])
    if prediction is None:
        st.markdown("Not among the evaluated films.")
    else:
        label = "present" if prediction["label"] == 1 else "absent"
        percent = format_percent(prediction["probability"])
        st.markdown(
            f"- **{plain(finding_name(finding))}:** {percent}\n"
            f"- **Label:** {label}\n- **Log-odds before calibration:** {prediction['logit']:.2f}"
        )
    st.caption(" · ".join(plain(fact) for fact in describe_film(film)))


def _show_heatmap(
    state: EvaluatePageState, evaluation: LoadedEvaluation, finding: str, path: Path
) -> None:
    """The film in the viewer with the model's heatmap."""
    displayed = _read_film(state, path)
    if displayed is None or displayed.examination.film is None:
        return
    output = _find_output(evaluation, displayed)
    if output is None:
        name = f"{evaluation.metrics.model} {evaluation.metrics.version}"
        st.info(
            f"The evaluated version {plain(name)} is not the active one, so its heatmap cannot be made here."
        )
    layers = []
    if output is not None and finding in output.attributions:
        method = chosen_method(VIEWER_KEY, EXACT_METHOD)
        name = finding_name(finding)
        layer = Layer(
            key=finding,
            label=name,
            note=f"{name}: {output.card.model} for {output.card.population.text}",
            attribution=_explain_output(displayed, output, finding, method),
        )
        layers = [layer]
    film = ViewerFilm(
        id=displayed.examination.sha256,
        picture=displayed.picture,
        shape=displayed.examination.film.shape,
    )
    show_viewer(
        film,
        layers,
        first_layer=finding if layers else None,
        methods=HEATMAP_METHODS,
        key=VIEWER_KEY,
    )


def _read_film(state: EvaluatePageState, path: Path) -> DisplayedFilm | None:
    """The film as the installed models read it; kept in this tab until another film is read."""
    if state.heatmap_film is not None and state.heatmap_film[0] == str(path):
        return state.heatmap_film[1]
    try:
        with st.spinner("Reading the film …"):
            examination = cache.load_reader().examine(read_outside_file(path, MAX_BYTES))
    except SilhouetteError as error:
        st.error(plain(str(error)))
        return None
    if examination.film is None:
        st.error(" ".join(plain(concern.message) for concern in examination.concerns))
        return None
    displayed = DisplayedFilm(examination=examination, picture=encode_picture(examination.film))
    state.heatmap_film = (str(path), displayed)
    return displayed


def _find_output(evaluation: LoadedEvaluation, displayed: DisplayedFilm) -> ModelOutput | None:
    """The output of the very model that was evaluated; None when it is not active, or refused the film."""
    weights = evaluation.metrics.weights_sha256
    for output in displayed.examination.outputs:
        if output.card.weights_sha256 == weights:
            return output
    return None


def _explain_output(
    displayed: DisplayedFilm, output: ModelOutput, finding: str, method: str
) -> Attribution:
    exact = output.attributions[finding]
    if method == EXACT_METHOD:
        return exact
    key = (output.card.model, finding, method)
    if key not in displayed.maps:
        try:
            displayed.maps[key] = cache.load_reader().explain(output, finding, method)
        except SilhouetteError as error:
            st.error(plain(str(error)))
            return exact
    return displayed.maps[key]

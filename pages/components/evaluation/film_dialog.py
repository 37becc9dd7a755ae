"""One film of an evaluation over the page: what was said of it, its heatmap on demand, its patient's other films."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from cxr_core.data.film_lookup import FoundFilms
from cxr_core.errors import SilhouetteError
from cxr_core.evaluation.store.loaded import FindingView, Opened
from cxr_core.film.limits import MAX_BYTES
from cxr_core.presentation.wording import finding_name, format_percent
from cxr_core.reading.methods import EXACT, METHODS
from cxr_core.reading.results import Attribution, ModelOutput
from pages.components import cache, viewer
from pages.components.datasets.film_dialog import WORDS_PX, film_facts, show_others, show_picture
from pages.components.evaluation.page_state import Visit
from pages.components.markdown import plain
from pages.components.session import Shown, chosen_method

HEAT_KEY = "evaluated-film-viewer"


@st.dialog("Film", width="large")
def show_film(
    visit: Visit, opened: Opened, finding: str, view: FindingView, found: FoundFilms
) -> None:
    """The film that the tab looks at; a click on another of the same patient puts that one in its place."""
    contents = cache.contents(found.dataset)
    table = contents.listed.manifest.table
    (rows,) = np.nonzero((table["image"] == visit.film).to_numpy())
    if not len(rows):
        st.markdown("This film is no longer in the dataset.")
        return
    row = int(rows[0])
    facts = table.iloc[row].to_dict()
    with st.container(horizontal=True, gap="medium"):
        picture, words = st.container(key="film-picture"), st.container(width=WORDS_PX, gap="small")
    with words:
        _show_words(finding, _said_of(view, found, row), facts)
        heat = st.toggle(
            "Heatmap",
            key="evaluated-heat",
            help="Reads the film again, with the model as it is installed.",
        )
    with picture:
        if heat:
            _show_heat(visit, opened, finding, Path(str(facts["image"])))
        else:
            show_picture(contents, facts)

    def turn_to(image: str) -> None:
        visit.film = image

    show_others(found.dataset, contents, row, turn_to)


def _said_of(view: FindingView, found: FoundFilms, row: int) -> pd.Series | None:
    """The prediction of the film in a row of the dataset; None when it was not measured."""
    (places,) = np.nonzero(found.rows == row)
    return view.films.iloc[int(places[0])] if len(places) else None


def _show_words(finding: str, said: pd.Series | None, facts: dict[str, Any]) -> None:
    st.text(str(facts["image"]).rsplit("/", 1)[-1])
    if said is None:
        st.markdown("Not among the films measured here.")
    else:
        label = "present" if said["label"] == 1 else "absent"
        st.markdown(
            f"- **{plain(finding_name(finding))}:** {format_percent(said['probability'])}\n"
            f"- **Label:** {label}\n- **Log-odds before calibration:** {said['logit']:.2f}"
        )
    st.caption(" · ".join(plain(fact) for fact in film_facts(facts)))


def _show_heat(visit: Visit, opened: Opened, finding: str, path: Path) -> None:
    """The film in the viewer with the model's heatmap, read at the first asking."""
    shown = _read(visit, path)
    if shown is None or shown.examination.film is None:
        return
    output = _output_of(opened, shown)
    if output is None:
        name = f"{opened.metrics['model']} {opened.metrics['version']}"
        st.info(
            f"{plain(name)} is not installed as it was measured, so its heatmap cannot be made here."
        )
    layers = []
    if output is not None and finding in output.evidence:
        evidence = _evidence(shown, output, finding, chosen_method(HEAT_KEY, EXACT))
        name = finding_name(finding)
        note = f"{name}: {output.card.model} for {output.card.population.text}"
        layers = [viewer.Layer(key=finding, label=name, note=note, evidence=evidence)]
    viewer.show_film(
        film=shown.examination.film,
        film_id=shown.examination.sha256,
        picture=shown.picture,
        layers=layers,
        first=finding if layers else None,
        methods=METHODS,
        key=HEAT_KEY,
    )


def _read(visit: Visit, path: Path) -> Shown | None:
    """The film read by the installed models; kept until another one is, in this tab alone."""
    if visit.read is None or visit.read[0] != str(path):
        try:
            if path.stat().st_size > MAX_BYTES:
                st.error(
                    f"{plain(str(path))} is larger than the {MAX_BYTES >> 20} MB that a film may have."
                )
                return None
            with st.spinner("Reading the film …"):
                examination = cache.reader().examine(path.read_bytes())
        except OSError as error:
            st.error(plain(f"{path} cannot be read: {error.strerror}."))
            return None
        except SilhouetteError as error:
            st.error(plain(str(error)))
            return None
        if examination.film is None:
            st.error(" ".join(plain(concern.message) for concern in examination.concerns))
            return None
        visit.read = (
            str(path),
            Shown(examination=examination, picture=viewer.picture_of(examination.film)),
        )
    return visit.read[1]


def _output_of(opened: Opened, shown: Shown) -> ModelOutput | None:
    """What the very model that was measured says of the film; None when it is not installed, or would not read it."""
    weights = opened.metrics.get("weights_sha256")
    return next(
        (each for each in shown.examination.outputs if each.card.weights_sha256 == weights), None
    )


def _evidence(shown: Shown, output: ModelOutput, finding: str, method: str) -> Attribution:
    exact = output.evidence[finding]
    key = (output.card.model, finding, method)
    if method == EXACT:
        return exact
    if key not in shown.maps:
        try:
            shown.maps[key] = cache.reader().explain(output, finding, method)
        except SilhouetteError as error:
            st.error(plain(str(error)))
            return exact
    return shown.maps[key]

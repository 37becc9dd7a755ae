"""Takes the program's answer out of readings that a reader may not see yet, so that no part of a page can show it."""

from collections.abc import Mapping
from dataclasses import replace

from cxr_core.reading.cardiothoracic.ratio import Measurement
from cxr_core.reading.interpret import replace_diameters
from cxr_core.reading.results import Reading
from pages.components.read.page_state import ReadPageState, StudyEntry

# Flags that come from a model and would tell what it makes of the film.
OF_A_MODEL = {"unlike_training"}


def hide_answers(state: ReadPageState, readings: Mapping[str, Reading]) -> dict[str, Reading]:
    """The readings as the page may show them: those of `state.feedback.hidden` without any answer."""
    hidden = state.feedback.hidden
    return {
        key: hide_answer(state, state.entries[key], reading) if key in hidden else reading
        for key, reading in readings.items()
    }


def hide_answer(state: ReadPageState, entry: StudyEntry, reading: Reading) -> Reading:
    """A reading with nothing but what is known without a model, and the diameters that the reader has set."""
    film = entry.examination.film
    blank = replace(
        reading,
        concerns=tuple(flag for flag in reading.concerns if flag.code not in OF_A_MODEL),
        findings=(),
        measurements=(Measurement(value=None),) if reading.measurements else (),
        warnings=(),
        not_assessed=(),
        site_profile=None,
        backends={},
    )
    if film is None or entry.key not in state.edited_ends:
        return blank
    edited = replace_diameters(blank, *state.edited_ends[entry.key], film.shape)
    own = tuple(replace(each, automatic=None) for each in edited.measurements)
    return replace(edited, measurements=own, warnings=())

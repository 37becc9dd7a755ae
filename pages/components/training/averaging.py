"""Offers to average the models of the selected runs into one."""

from collections.abc import Sequence

import streamlit as st

from cxr_core.jobs.job import Job
from cxr_core.presentation.wording import format_count
from pages.components.error_boundary import keep_error
from pages.components.training.page_state import TrainPageState


def offer_average(state: TrainPageState, runs: Sequence[Job]) -> None:
    """A button below a selection of finished runs; nothing while one of them is not finished."""
    if len(runs) < 2 or any(run.state != "finished" for run in runs):
        return
    st.button(
        f"Average {format_count(len(runs), 'models')} into one",
        icon=":material/merge:",
        key=f"average-{'-'.join(run.id for run in runs)}",
        on_click=_average,
        args=(state, tuple(runs)),
        help="The mean of the models' logits, calibrated anew on the validation films that they share. The runs must "
        "have the same network and the same split; they stay as they are.",
    )


def _average(state: TrainPageState, runs: Sequence[Job]) -> None:
    from cxr_core.jobs.sweeps import average_runs

    token = f"average {' '.join(sorted(run.id for run in runs))}"
    with keep_error(state):
        job = average_runs([run.folder for run in runs], token)
        state.show_submitted_runs((job.id,), f"{job.id} was submitted.")

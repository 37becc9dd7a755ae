"""An evaluation asked for on the page: what of which model on which films, how far it is, and what came of it."""

from pathlib import Path

import streamlit as st

from cxr_core.data.registry import list_datasets
from cxr_core.errors import SilhouetteError
from cxr_core.evaluation.report.parts import part_name
from cxr_core.evaluation.store.folder import METRICS
from cxr_core.jobs import evaluations as orders
from cxr_core.jobs.evaluations import Evaluating, Wanted
from cxr_core.jobs.files import list_run_folders
from cxr_core.models.registry.registry import models
from pages.components.evaluation.command import MEANINGS, METHODS, command_of
from pages.components.evaluation.page_state import Visit
from pages.components.markdown import plain

PARTS = ("test", "val", "train")
FIRST = "cardiomegaly-adults"  # of the models, where it is installed
NONE = "none"
POLL_S = 1.0
ICONS = {
    "failed": ":material/error:",
    "stopped": ":material/stop_circle:",
    "cut off": ":material/warning:",
}


def say_how_to_begin(visit: Visit) -> None:
    """What the page says before anything has been evaluated."""
    st.markdown(
        "**No evaluation yet.** An evaluation measures a model on films whose labels are known: how well it tells "
        "them apart, for whom, and which films it gets wrong."
    )
    offer_evaluation(visit)


def show_ordered(visit: Visit) -> None:
    """Evaluations at work, and those that ended without figures; one that this tab saw at work is turned to."""
    found = orders.evaluating()
    for each in found:
        if each.state == "finished" and str(each.folder) in visit.awaited:
            visit.look_at(str(each.folder))
            visit.said = f"Finished: {each.wanted}."
    working = [each for each in found if each.state == "running"]
    visit.awaited = {str(each.folder) for each in working}
    if visit.said:
        st.success(plain(visit.said), icon=":material/check_circle:")
    if visit.refused:
        st.error(plain(visit.refused), icon=":material/error:")
    visit.said = visit.refused = ""
    for each in found:
        if each.state in ICONS:
            _say_ended(each)
    if working:
        _watch(visit)


def offer_evaluation(visit: Visit) -> None:
    """Ask for a model, a registered dataset, a part and a recalibration; start it, or show the command that does."""
    names, runs = (
        models(),
        sorted(str(run) for run in list_run_folders() if (run / "model" / "card.json").is_file()),
    )
    datasets = [dataset.name for dataset in list_datasets()]
    with st.container(horizontal=True, gap="medium"):
        model = st.selectbox(
            "Model",
            [*names, *runs],
            index=names.index(FIRST) if FIRST in names else 0,
            format_func=lambda each: f"run {Path(each).name}" if each in runs else each,
            key="evaluate-new-model",
            width=280,
        )
        data = st.selectbox(
            "Dataset",
            datasets,
            key="evaluate-new-data",
            width=320,
            placeholder="none is registered",
            help="As registered on the Data page.",
        )
        part = st.selectbox(
            "Part", PARTS, format_func=part_name, key="evaluate-new-part", width=200
        )
        method = st.selectbox(
            "Recalibration",
            [NONE, *METHODS],
            format_func=lambda each: METHODS.get(each, "None"),
            key="evaluate-new-method",
            width=200,
            help="Fitted on 30 % of the patients, measured on the others, and reported apart.",
        )
    recalibrate = "" if method in (None, NONE) else str(method)
    if recalibrate:
        st.caption(MEANINGS[recalibrate])
    if part == PARTS[0]:
        st.caption(
            "How often a test part is measured on is counted, and this is counted too: who chooses by a test part "
            "again and again ends up fitting to it."
        )
    if model and data and part:
        _offer_start(visit, Wanted(model=model, data=data, part=part, recalibrate=recalibrate))
    else:
        st.info("To evaluate from here, register a dataset on the Data page first.")
    more = ("--recalibrate", recalibrate) if recalibrate else ()
    st.markdown("Or in a shell, in this program's folder:")
    command = command_of(model or "MODEL", [data] if data else [], part or PARTS[0], *more)
    st.code(command, language="bash", wrap_lines=True)
    st.caption(
        "In place of the model's name stands any model folder or run folder as well; in place of the dataset's, a "
        "folder with films and their labels."
    )


def _offer_start(visit: Visit, wanted: Wanted) -> None:
    now = orders.look(wanted.folder)
    busy = now is not None and now.state == "running"
    st.button(
        "Evaluate",
        icon=":material/play_arrow:",
        type="primary",
        key="evaluate-new-start",
        disabled=busy,
        on_click=_start,
        args=(visit, wanted),
        help="In the background, in a process of its own: this page may be closed meanwhile.",
    )
    if busy:
        st.caption("This very evaluation is at work; how far it is stands at the top of the page.")
    elif (wanted.folder / METRICS).is_file():
        st.caption("It has been made before; the new one takes its place.")


def _start(visit: Visit, wanted: Wanted) -> None:
    try:
        visit.awaited.add(str(orders.start(wanted)))
    except SilhouetteError as error:
        visit.refused = str(error)


@st.fragment(run_every=POLL_S)
def _watch(visit: Visit) -> None:
    """How far those at work are; the page runs once when one has ended."""
    working = [each for each in orders.evaluating() if each.state == "running"]
    if {str(each.folder) for each in working} != visit.awaited:
        st.rerun()
    for each in working:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(
                min(1.0, each.done / each.total) if each.total else 0.0, text=_how_far(each)
            )
            st.button("Stop", key=f"stop-{each.folder}", on_click=orders.stop, args=(each.folder,))


def _how_far(each: Evaluating) -> str:
    counted = f"{each.sentence}, {each.done:,} of {each.total:,}" if each.total else "begins …"
    return f"Evaluating {plain(str(each.wanted))}: {plain(counted)}"


def _say_ended(each: Evaluating) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        say = st.error if each.state == "failed" else st.warning
        say(f"Evaluating {plain(str(each.wanted))}: {plain(each.sentence)}", icon=ICONS[each.state])
        st.button(
            "Dismiss", key=f"dismiss-{each.folder}", on_click=orders.forget, args=(each.folder,)
        )

"""Which evaluation is looked at, of which finding, on which films; and what to do where there is none."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from cxr_core.evaluation.report.parts import part_name
from cxr_core.evaluation.store.catalogue import Shelved
from cxr_core.evaluation.store.loaded import Opened
from cxr_core.presentation.wording import finding_name
from pages.components.evaluation.page_state import Visit
from pages.components.markdown import plain

ALL = "all"
VIEW_NAMES = {"PA": "PA views", "AP": "AP views"}
PARAMETER = "evaluation"  # of the address: a link leads to one evaluation


def say_unreadable(found: Sequence[Shelved]) -> None:
    """Evaluations that are there but cannot be shown, each with the reason."""
    if not found:
        return
    some = "One evaluation cannot" if len(found) == 1 else f"{len(found)} evaluations cannot"
    with st.expander(f"{some} be shown", icon=":material/warning:"):
        st.markdown(
            "\n".join(f"- {plain(str(each.folder))}: {plain(each.problem or '')}" for each in found)
        )


def choose_evaluation(visit: Visit, found: Sequence[Shelved]) -> Shelved:
    """The one chosen here, named in the address, or the newest."""
    folders = [str(each.folder) for each in found]
    asked = visit.folder or st.query_params.get(PARAMETER)
    if asked not in folders:
        if asked is not None:
            st.warning(f"There is no evaluation in {plain(asked)} any more; choose one of these.")
        visit.look_at(folders[0])
        asked = folders[0]
    visit.folder = asked
    names = {str(each.folder): title_of(each) for each in found}
    picked = st.selectbox(
        "Model and films",
        folders,
        index=folders.index(asked),
        format_func=lambda folder: names[folder],
        key=visit.widget("evaluation"),
    )
    if picked != asked:
        visit.look_at(picked)
    if st.query_params.get(PARAMETER) != picked:
        st.query_params[PARAMETER] = picked
    return found[folders.index(picked)]


def choose_finding(visit: Visit, opened: Opened) -> tuple[str, str | None]:
    """The finding, where there are several, and all films or one view's, where there are both."""
    finding = visit.finding if visit.finding in opened.findings else opened.findings[0]
    folder = str(opened.shelved.folder)
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        if len(opened.findings) > 1:
            picked = st.selectbox(
                "Finding",
                opened.findings,
                index=opened.findings.index(finding),
                format_func=finding_name,
                key=visit.widget("finding"),
                width=260,
            )
            if picked != finding:
                visit.look_at(folder, picked)
                finding = picked
        views = (None, *opened.views(finding))
        view = visit.view if visit.view in views else None
        if len(views) > 1:
            asked = st.segmented_control(
                "Films",
                [each or ALL for each in views],  # None would be nothing chosen
                default=view or ALL,
                required=True,
                format_func=lambda each: "All films" if each == ALL else VIEW_NAMES.get(each, each),
                key=visit.widget("view"),
                help="PA: the patient stands with the back to the tube. AP: often lying in bed, the heart looks wider.",
            )
            chosen = None if asked == ALL else asked
            if chosen != view:
                visit.look_at(folder, finding, chosen)
                view = chosen
    visit.finding, visit.view = finding, view
    return finding, view


def title_of(shelved: Shelved) -> str:
    """An evaluation in a line: model, part, data, films, day."""
    metrics = shelved.metrics
    data = metrics["data"]
    where = " + ".join(folder.name for folder in shelved.folders) or "data not named"
    run = f"run {shelved.run}, " if shelved.run else ""
    films = (
        f"{data['films']:,} films" if isinstance(data.get("films"), int) else "films not counted"
    )
    model = f"{metrics['model']} {metrics['version']}"
    return (
        f"{run}{model} · {part_name(metrics['part'])} of {where} · {films} · {day(metrics['made'])}"
    )


def names_of(several: Sequence[Shelved]) -> list[str]:
    """Short names that tell evaluations apart, whatever they are of."""
    names = [f"{each.metrics['model']} {each.metrics['version']}" for each in several]
    names = [
        f"{each.run}: {name}" if each.run else name
        for name, each in zip(names, several, strict=True)
    ]
    alike = [names.count(name) > 1 for name in names]
    return [
        f"{name} ({each.folder.name}, {day(each.metrics['made'])})" if twice else name
        for name, each, twice in zip(names, several, alike, strict=True)
    ]


def day(when: str) -> str:
    """A time of ISO 8601 as a day; as it is if it is none."""
    try:
        return datetime.fromisoformat(when).astimezone().strftime("%-d %b %Y")
    except ValueError:
        return when

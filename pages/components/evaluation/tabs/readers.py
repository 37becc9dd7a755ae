"""The Readers tab: how far readers agree about a finding, and each of them beside the model on the same films."""

import streamlit as st

from cxr_core.feedback.agreement import Agreement, ReaderPerformance
from cxr_core.feedback.projects import Project, list_projects
from cxr_core.feedback.readers import list_readers
from cxr_core.feedback.store import has_store
from cxr_core.models.figures import Figure, MeanFigure
from cxr_core.presentation.wording import finding_in_sentence, format_count
from pages.components import cache
from pages.components.evaluation.page_state import EvaluatePageState
from pages.components.markdown import plain

NOTE = (
    "Where films are read first, these are the verdicts from before the program's answer was shown. Each reader is "
    "compared with the consensus of the other readers; films without one, or on which they are unsure, are left out. "
    "Intervals of 95 % are over the films."
)


def show_readers(state: EvaluatePageState, finding: str) -> None:
    """Kappa of the readers of a project, and their sensitivity and specificity beside the model's."""
    projects = [each for each in list_projects() if finding in each.findings] if has_store() else []
    if not projects:
        st.markdown(
            f"No project has readers judge {plain(finding_in_sentence(finding))} yet. Create one on the Review page."
        )
        st.page_link("pages/review.py", label="Review", icon=":material/arrow_forward:")
        return
    project = _choose_project(state, projects)
    after = project.read_first and st.toggle(
        "With changes made after the answer was shown", key=state.widget_key("readers-after")
    )
    agreement = cache.measure_agreement(project, finding, after)
    if not agreement.films:
        st.markdown(
            f"**No film of {plain(project.name)} was judged by two readers yet.** Ask for two or more readers for each "
            "film when you create a project."
        )
        return
    st.markdown(f"**{format_count(agreement.films, 'films')} with two readers or more**")
    names = {reader.id: plain(reader.name) for reader in list_readers()}
    with st.container(horizontal=True, gap="medium"):
        with st.container(key="evaluate-left"):
            st.table(_tabulate_kappa(agreement, names), border="horizontal", hide_index=True)
        with st.container(key="evaluate-right"):
            readers = sorted(agreement.readers, key=lambda one: names[one.reader])
            rows = [row for one in readers for row in _tabulate_reader(one, names[one.reader])]
            st.table(rows, border="horizontal", hide_index=True)
    for reason in agreement.explain_missing():
        st.caption(reason)
    st.caption(NOTE)


def _choose_project(state: EvaluatePageState, projects: list[Project]) -> Project:
    names = {project.id: project.name for project in projects}
    chosen = st.selectbox(
        "Project",
        list(names),
        format_func=lambda each: plain(names[each]),
        key=state.widget_key("readers-project"),
        width=360,
    )
    return next(each for each in projects if each.id == chosen)


def _tabulate_kappa(agreement: Agreement, names: dict[str, str]) -> list[dict[str, str]]:
    rows = [
        {
            "Readers": " and ".join(sorted(names[reader] for reader in pair.readers)),
            "Cohen's kappa": _format(pair.kappa),
            "Judged alike": _format(pair.observed),
            "Films": str(pair.kappa.n),
        }
        for pair in agreement.pairs
    ]
    if agreement.fleiss is not None:
        rows.append(
            {
                "Readers": "all (Fleiss' kappa)",
                "Cohen's kappa": _format(agreement.fleiss),
                "Judged alike": "",
                "Films": str(agreement.fleiss_films),
            }
        )
    return rows


def _tabulate_reader(one: ReaderPerformance, name: str) -> list[dict[str, str]]:
    """A line for the reader, and one for the model on the same films."""
    unsure = format_count(one.without_verdict, "films") if one.without_verdict else ""
    rows = [_to_row(name, one.sensitivity, one.specificity, unsure)]
    if one.model_sensitivity is not None and one.model_specificity is not None:
        rows.append(
            _to_row(
                f"the model, on the films of {name}",
                one.model_sensitivity,
                one.model_specificity,
                "",
            )
        )
    return rows


def _to_row(name: str, sensitivity: Figure, specificity: Figure, unsure: str) -> dict[str, str]:
    return {
        "Against the others": name,
        "Sensitivity": _format(sensitivity),
        "Specificity": _format(specificity),
        "Unsure": unsure,
    }


def _format(figure: Figure | MeanFigure) -> str:
    if figure.value is None:
        return "undefined"
    if figure.low is None or figure.high is None:
        return f"{figure.value:.2f}"
    return f"{figure.value:.2f} ({figure.low:.2f} to {figure.high:.2f})"

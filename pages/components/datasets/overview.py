"""Which dataset is looked at, whether it may be trained on, and what it is."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from cxr_core.data.prepare import forget_dataset
from cxr_core.data.registry import Dataset
from pages.components import cache
from pages.components.datasets import add_dataset
from pages.components.datasets.contents import Contents
from pages.components.markdown import plain
from pages.components.session import Exploration

PARAMETER = "dataset"  # of the address: a link leads to one dataset


def choose_dataset(exploration: Exploration, found: Sequence[Dataset]) -> Dataset:
    """The dataset that was chosen here, named in the address, or the first."""
    names = [dataset.name for dataset in found]
    asked = exploration.dataset or st.query_params.get(PARAMETER)
    if asked not in names:
        if asked is not None:
            st.warning(f"There is no dataset named {plain(asked)} here; choose one of these.")
        asked = names[0]
    exploration.dataset = asked
    picked = st.selectbox(
        "Dataset", names, index=names.index(asked), key=exploration.widget("dataset"), width=420
    )
    if picked != asked:
        exploration.turn_to(picked)
    if st.query_params.get(PARAMETER) != picked:
        st.query_params[PARAMETER] = picked
    return found[names.index(picked)]


def show_overview(exploration: Exploration, dataset: Dataset, contents: Contents) -> None:
    """The verdict in a line, then the facts."""
    _show_verdict(dataset, contents)
    films = contents.usable or contents.listed
    rows = [
        {"Part": name, "Films": f"{count:,}", "Patients": f"{patients:,}"}
        for name, (count, patients) in films.summary.parts.items()
    ]
    rows.append(
        {
            "Part": "all",
            "Films": f"{films.summary.films:,}",
            "Patients": f"{films.summary.patients:,}",
        }
    )
    with st.container(horizontal=True, gap="large"):
        with st.container(width=330, gap="xsmall"):
            st.table(rows, border="horizontal", hide_header=False, hide_index=True)
        with st.container(key="dataset-facts", gap="xsmall"):
            st.markdown(
                "\n".join(
                    f"- **{name}:** {plain(value)}" for name, value in _facts(dataset, contents)
                )
            )
            _offer_actions(exploration, dataset)


def _show_verdict(dataset: Dataset, contents: Contents) -> None:
    blocking = contents.blocking
    if contents.usable is None:
        st.warning(
            "**Cannot be trained on:** none of its films is here. Its tables can be explored."
        )
    elif blocking:
        some = "1 blocking finding" if len(blocking) == 1 else f"{len(blocking)} blocking findings"
        st.error(
            f"**Stopped by {some}.** Nothing is trained on it until each is excluded or accepted."
        )
    else:
        chosen = f", with {len(dataset.choices)} choices on record" if dataset.choices else ""
        warnings = sum(issue.severity == "warning" for issue in contents.issues)
        read = (
            f"; {warnings} warnings to read first"
            if warnings > 1
            else "; one warning to read first"
            if warnings
            else ""
        )
        st.success(f"**May be trained on**{chosen}{read}.")


def _facts(dataset: Dataset, contents: Contents) -> list[tuple[str, str]]:
    statuses = contents.listed.manifest.table["status"].value_counts()
    listed = f"{len(contents.listed.manifest.table):,}"
    left_out = [f"{count:,} {status}" for status, count in statuses.items() if status != "present"]
    if left_out:
        listed += f", of them {', '.join(left_out)}"
    facts = [
        ("Folders" if len(dataset.folders) > 1 else "Folder", ", ".join(map(str, dataset.folders))),
        ("Layout", add_dataset.KINDS.get(dataset.kind, dataset.kind)),
        ("Films listed", listed),
        ("Prepared", day(dataset.prepared)),
    ]
    terms = contents.listed.manifest.terms
    return [*facts, ("Terms", terms)] if terms else facts


def _offer_actions(exploration: Exploration, dataset: Dataset) -> None:
    with st.container(horizontal=True, gap="small"):
        again = st.button(
            "Check again",
            icon=":material/refresh:",
            key=exploration.widget("again"),
            help="Reads the folders again; films that have not changed are not decoded again.",
        )
        with st.popover("Remove", icon=":material/delete:"):
            st.write(
                "Takes it out of the register, with its report and choices. The films are not touched."
            )
            gone = st.button("Remove it", key=exploration.widget("remove"), type="primary")
    if again:
        add_dataset.start(
            exploration, cache.preparations(), list(dataset.folders), dataset.kind, dataset.name
        )
    if gone:
        forget_dataset(dataset.folder)
        exploration.dataset = None
        st.query_params.pop(PARAMETER, None)
        st.rerun()


def day(when: str) -> str:
    """A time of ISO 8601 as people write it, to the minute, in the server's own zone; as it is if it is none."""
    try:
        return datetime.fromisoformat(when).astimezone().strftime("%-d %B %Y, %H:%M")
    except ValueError:
        return when

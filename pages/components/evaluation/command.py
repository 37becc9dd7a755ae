"""The command that makes an evaluation, put together from what is installed and registered, to be copied."""

import shlex
from collections.abc import Sequence

import streamlit as st

from cxr_core.data.datasets import registered
from cxr_core.evaluation.report_parts import part_name
from cxr_core.evaluation.shelf import Shelved
from cxr_core.models.registry import models

FOLDER = "FOLDER"  # stands for films that nothing names
PARTS = ("test", "val", "train")
FIRST = "cardiomegaly-adults"  # of the models, where it is installed


def command_of(model: str, data: Sequence[str], part: str, *more: str) -> str:
    """As a shell takes it, names with blanks in quotes."""
    given = [word for each in data or (FOLDER,) for word in ("--data", each)]
    return shlex.join(["python", "-m", "train.evaluate", model, *given, "--split", part, *more])


def again(shelved: Shelved, *more: str) -> str:
    """The command that makes an evaluation anew, in its own folder, with these words besides."""
    run = next((p.parent for p in (shelved.folder, shelved.folder.parent) if p.name == "evaluation"), None)
    model = str(run) if run else str(shelved.metrics["model"])
    data = [str(folder) for folder in shelved.folders]
    return command_of(model, data, str(shelved.metrics["part"]), "--out", str(shelved.folder), *more)


def offer_command() -> None:
    """Ask for an installed model, a registered dataset and a part; show the command that evaluates them."""
    names, datasets = models(), [dataset.name for dataset in registered()]
    with st.container(horizontal=True, gap="medium"):
        model = st.selectbox(
            "Model", names, index=names.index(FIRST) if FIRST in names else 0, key="evaluate-new-model", width=280
        )
        data = st.selectbox(
            "Dataset",
            datasets,
            key="evaluate-new-data",
            width=320,
            placeholder="none is registered",
            help="As registered on the Data page.",
        )
        part = st.selectbox("Part", PARTS, format_func=part_name, key="evaluate-new-part", width=200)
    st.code(command_of(model or "MODEL", [data] if data else [], part or PARTS[0]), language="bash", wrap_lines=True)
    st.caption(
        "Run it in a shell in this program's folder, then reload this page. In place of the model's name stands any "
        "model folder or run folder as well; in place of the dataset's, a folder with films and their labels."
    )

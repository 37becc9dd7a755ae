"""Datasets whose record cannot be read: named, with the way to be rid of them; the others work all the same."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from cxr_core.data.prepare import forget_dataset
from pages.components.markdown import plain


def show_damaged(folders: Sequence[Path]) -> None:
    """A warning for each, with a button that forgets it. folders: theirs in the register."""
    for folder in folders:
        st.warning(
            f"The record of the dataset {plain(folder.name)} cannot be read: it was damaged, or written by another "
            "version. Forget it and prepare its films again; they are not touched. What was chosen about its findings "
            "has to be chosen again.",
            icon=":material/broken_image:",
        )
        st.button(
            f"Forget {plain(folder.name)}",
            key=f"forget-{folder.name}",
            on_click=forget_dataset,
            args=(folder,),
        )

"""Models out of this installation, and others into it, as zips."""

import streamlit as st

from cxr_core.errors import SilhouetteError
from pages.components.markdown import plain
from pages.components.models.installed_models import Version
from pages.components.models.page_state import Counter


def offer_export(model: str, version: Version) -> None:
    """A button that packs a version's folder when it is clicked."""

    def packed() -> bytes:
        from cxr_core.models.registry.archive import export_model  # loads torch

        return export_model(version.folder)

    st.download_button(
        f"Export {plain(version.name)}",
        packed,
        file_name=f"{model}-{version.name}.zip",
        mime="application/zip",
        on_click="ignore",
        icon=":material/download:",
        help="The folder of this version as a zip, for another installation.",
    )


def offer_import(counter: Counter) -> None:
    """Take a zip in beside what is installed; nothing is put to use by it."""
    with st.expander("Import a model from a zip", icon=":material/upload:"):
        st.caption(
            "Its card, hash, tensors and shapes are checked first. The version in use stays in use."
        )
        given = st.file_uploader(
            "A zip that was exported here", type="zip", key=counter.widget("import")
        )
        if given is None or not st.button(
            "Import", key=counter.widget("import-now"), type="primary"
        ):
            return
        from cxr_core.models.registry.archive import import_model  # loads torch

        try:
            folder = import_model(given.getvalue())
        except SilhouetteError as error:
            st.error(plain(str(error)))
            return
        counter.tell(f"{folder.parent.name} {folder.name} is installed.")
        st.rerun()

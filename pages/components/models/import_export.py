"""Exports a version of a model as a zip file, and imports one from another installation."""

import streamlit as st

from cxr_core.access.actor import Role
from cxr_core.errors import SilhouetteError
from pages.components.markdown import plain
from pages.components.models.installed_models import Version
from pages.components.models.page_state import PARAMETER, ModelsPageState
from pages.components.sign_in.door import may


def offer_export(model: str, version: Version) -> None:
    """A button that downloads a version's folder; the zip file is made at the click."""

    def pack_version() -> bytes:
        from cxr_core.models.registry.archive import export_model  # loads torch

        return export_model(version.folder)

    st.download_button(
        f"Export {plain(version.name)}",
        pack_version,
        file_name=f"{model}-{version.name}.zip",
        mime="application/zip",
        on_click="ignore",
        icon=":material/download:",
        help="The folder of this version as a zip file, for another installation.",
    )


def offer_import(state: ModelsPageState) -> None:
    """Install a model from a zip file; it is not in use afterwards."""
    if not may(Role.ADMIN):
        return
    with st.expander("Import a model from a zip file", icon=":material/upload:"):
        st.caption(
            "It is checked and tried on drawings first. It reads no film until you activate it below."
        )
        uploaded = st.file_uploader(
            "A zip file exported on this page", type="zip", key=state.widget_key("import")
        )
        with st.container(horizontal=True):
            name, version = (
                st.text_input(
                    label,
                    key=state.widget_key(f"import-{label}"),
                    max_chars=80,
                    placeholder="as in its card",
                    help="Another one, where a model from another workspace has the same here.",
                ).strip()
                for label in ("Name", "Version")
            )
        clicked = uploaded is not None and st.button(
            "Import", key=state.widget_key("import-now"), type="primary"
        )
        if uploaded is None or not clicked:
            return
        from cxr_core.promotion.imports import import_model

        try:
            with st.spinner("Trying the model on drawings …"):
                folder = import_model(uploaded.getvalue(), name or None, version or None)
        except SilhouetteError as error:
            st.error(plain(str(error)))
            return
        model, version = folder.parent.name, folder.name
        state.report_change(
            f"{model} {version} is installed and not in use: no film is read with it until you activate it below."
        )
        st.query_params[PARAMETER] = model
        st.rerun()

"""Finds the archives that a workspace works with, for the parts of the Read page."""

from cxr_core.dicom_io.pacs.settings import PacsSettings, read_pacs_settings
from cxr_core.errors import SettingsError


def find_settings() -> PacsSettings | None:
    """The settings of archives; None where there are none, and where they are wrong, which the way in says."""
    try:
        return read_pacs_settings()
    except SettingsError:
        return None

"""Opens an archive by its settings, whichever way it is reached."""

import logging
import warnings

from cxr_core.dicom_io.pacs.archive import Archive
from cxr_core.dicom_io.pacs.dicomweb import DicomwebArchive
from cxr_core.dicom_io.pacs.dimse import DimseArchive
from cxr_core.dicom_io.pacs.settings import DicomwebSettings, PacsSettings

# These log what is asked and answered, with patients' numbers and names.
TALKATIVE = ("pynetdicom", "dicomweb_client", "urllib3")


def open_search_archive(settings: PacsSettings) -> Archive:
    """The archive that is searched for studies and priors. Raises SettingsError."""
    return open_archive(settings, settings.search)


def open_results_archive(settings: PacsSettings) -> Archive:
    """The archive that results are sent to. Raises SettingsError."""
    return open_archive(settings, settings.results)


def open_archive(settings: PacsSettings, name: str) -> Archive:
    """One of the archives; nothing is sent yet. Raises SettingsError for a secret that is not there, and for
    certificates that cannot be used.

    From here on the network libraries log nothing in this process.
    """
    silence_network_libraries()
    archive = settings.archives[name]
    if isinstance(archive, DicomwebSettings):
        return DicomwebArchive(archive)
    return DimseArchive(archive, settings.ae_title)


def silence_network_libraries() -> None:
    """Silence the log lines and warnings of the libraries that talk to archives, for as long as this process runs.

    For good, since several threads use them at once, and none may switch them on while another is at work.
    """
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module="dicomweb_client")

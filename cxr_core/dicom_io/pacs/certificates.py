"""Loads the certificates that an archive's own is checked with."""

import ssl

from cxr_core.errors import SettingsError
from cxr_core.workspace.paths import printable


def trust_authority(ca_file: str) -> ssl.SSLContext:
    """What checks an archive's certificate and name: by a file in PEM, or without one by the system's.

    Raises SettingsError for a file that cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise SettingsError(
            f"ca_file {printable(ca_file)} cannot be read ({error.strerror or error}); name a file in PEM"
        ) from error

"""Loads the certificates by which archives, senders and this program know each other. Each file is in PEM."""

import ssl
from typing import Any

from cxr_core.errors import FileRefused, SettingsError
from cxr_core.workspace.outside_files import read_outside_file
from cxr_core.workspace.paths import printable

MAX_FILE_BYTES = 1 << 20


class _LateHandshake(ssl.SSLContext):
    """Encrypts once the first bytes are read: a peer that is silent keeps nobody else from connecting."""

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        """As the library does, without waiting for the peer."""
        options["do_handshake_on_connect"] = False
        return super().wrap_socket(*arguments, **options)


def trust_authority(ca_file: str, certificate_file: str = "", key_file: str = "") -> ssl.SSLContext:
    """What checks an archive's certificate and name: by a file, or without one by the system's.

    certificate_file, key_file: our own, for an archive that demands one. Raises SettingsError for a file that cannot
    be used.
    """
    context = ssl.create_default_context()
    if ca_file:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _trust(context, "ca_file", ca_file)
    if certificate_file:
        _present(context, certificate_file, key_file)
    return context


def accept_encrypted(
    certificate_file: str, key_file: str, ca_key: str, ca_file: str
) -> ssl.SSLContext:
    """What encrypts the connections that others open to us, by TLS 1.2 or newer.

    ca_file: of the authorities that have signed the certificates of those who may connect; empty: none is asked for.
    ca_key: what the settings call it. Raises SettingsError for a file that cannot be used.
    """
    context = _LateHandshake(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _present(context, certificate_file, key_file)
    if ca_file:
        _trust(context, ca_key, ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _trust(context: ssl.SSLContext, key: str, file: str) -> None:
    _read_pem(key, file, "CERTIFICATE-----", "certificate")
    try:
        context.load_verify_locations(file)
    except OSError as error:
        raise SettingsError(f"{key} {printable(file)} holds a damaged certificate") from error


def _present(context: ssl.SSLContext, certificate_file: str, key_file: str) -> None:
    """Show a certificate to the other side. No message quotes the key."""
    certificate, key = printable(certificate_file), printable(key_file)
    _read_pem("certificate_file", certificate_file, "CERTIFICATE-----", "certificate")
    if b"ENCRYPTED" in _read_pem("key_file", key_file, "PRIVATE KEY-----", "private key"):
        raise SettingsError(
            f"key_file {key} is protected by a password, which nobody is there to type; remove the password, "
            "and let only the account of this program read the file"
        )
    try:
        context.load_cert_chain(certificate_file, key_file, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise SettingsError(
                f"key_file {key} is not the key of the first certificate in certificate_file {certificate}; name the "
                "two files that were made together"
            ) from error
        raise SettingsError(
            f"certificate_file {certificate} or key_file {key} is damaged or too weak ({error.reason})"
        ) from error


def _read_pem(key: str, file: str, mark: str, what: str) -> bytes:
    """The bytes of a file in PEM. key: what the settings call it."""
    try:
        content = read_outside_file(file, MAX_FILE_BYTES)
    except FileRefused as refusal:
        raise SettingsError(f"{key}: {refusal}") from refusal
    if mark.encode() not in content:
        raise SettingsError(
            f"{key} {printable(file)} holds no {what} in PEM; name a file that does"
        )
    return content

"""Reads which picture archives (PACS) a workspace works with: `<workspace>/pacs.toml`, see docs/pacs.md.

Passwords and tokens are never in the file, which holds the names of the environment variables that hold them.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from cxr_core.dicom_io.object_kinds import USUAL_KINDS, parse_kinds
from cxr_core.errors import FileRefused, RecordError, SettingsError
from cxr_core.film.limits import MAX_BYTES
from cxr_core.presentation.suggest import suggest
from cxr_core.workspace.json_record import parse_record
from cxr_core.workspace.outside_files import read_outside_file
from cxr_core.workspace.paths import printable, workspace

FILE = "pacs.toml"
MAX_FILE_BYTES = 1 << 16
OUR_AE_TITLE = "SILHOUETTE"
LOOPBACK = "127.0.0.1"
MAX_FILM_MB = MAX_BYTES >> 20
Settings = TypeVar("Settings")
TomlTable = dict[str, object]  # as tomllib gives it; every value is checked


@dataclass(frozen=True, kw_only=True)
class DicomwebSettings:
    """An archive that is reached by DICOMweb (PS3.18). Raises SettingsError.

    url: of the service, below which `studies` lies.  password_variable, token_variable: environment variables that hold
    the password of `user`, or a bearer token.  ca_file: certificates that its own is checked with, instead of the
    system's.
    """

    url: str
    user: str = ""
    password_variable: str = ""
    token_variable: str = ""
    ca_file: str = ""

    def __post_init__(self) -> None:
        address = _split_url(self.url)
        if address is None:
            raise SettingsError(
                "url: expected an address such as https://pacs.example.org/dicom-web"
            )
        if address.username or address.password:
            raise SettingsError(
                "url: a user or password does not belong into the address; give user and password_variable"
            )
        if bool(self.user) != bool(self.password_variable):
            raise SettingsError("user and password_variable: give both or neither")
        if self.user and self.token_variable:
            raise SettingsError("token_variable: give a user with a password or a token, not both")
        has_secret = bool(self.password_variable or self.token_variable)
        if has_secret and address.scheme == "http" and not _is_loopback(address.hostname or ""):
            raise SettingsError(
                "url: a password or token would cross the network in the clear; use https"
            )

    @property
    def address(self) -> str:
        """Where the archive is, for people."""
        return self.url

    def find_secret(self) -> str:
        """The password or token; empty where none is needed. Raises SettingsError for a variable that is not set."""
        variable = self.password_variable or self.token_variable
        secret = os.environ.get(variable, "") if variable else ""
        if variable and not secret:
            raise SettingsError(
                f"the environment variable {variable}, which {FILE} names, is not set; set it where the server is "
                "started"
            )
        return secret


@dataclass(frozen=True, kw_only=True)
class DimseSettings:
    """An archive that is reached by DICOM's own protocol (PS3.7). Raises SettingsError.

    tls: whether the connection is encrypted; ca_file: certificates that the archive's own is checked with, instead of
    the system's.  certificate_file, key_file: that we show the archive, in PEM.  receive_port: where the archive sends
    films (C-MOVE) and reports of storage commitment; it has to know our AE title with this machine's address and this
    port. None: films are fetched by C-GET.  receive_address: the address of this machine that is listened at.
    receive_tls: whether the archive calls back encrypted.
    """

    host: str
    port: int
    ae_title: str
    tls: bool = False
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    receive_port: int | None = None
    receive_address: str = LOOPBACK
    receive_tls: bool = False

    def __post_init__(self) -> None:
        if not self.host.strip():
            raise SettingsError("host is empty; give the name or address of the archive")
        _require_port("port", self.port)
        _require_ae_title("ae_title", self.ae_title)
        if self.receive_port is not None:
            _require_port("receive_port", self.receive_port)
        _require_address("receive_address", self.receive_address)
        for key in ("ca_file", "certificate_file"):
            if getattr(self, key) and not self.tls:
                raise SettingsError(f"{key}: it is used with tls = true only")
        _require_pair(self.certificate_file, self.key_file)
        if self.receive_tls and not (self.certificate_file and self.receive_port):
            raise SettingsError(
                "receive_tls: an archive that calls back encrypted needs receive_port and certificate_file"
            )

    @property
    def address(self) -> str:
        """Where the archive is, for people."""
        return f"{self.ae_title} at {self.host}:{self.port}"


ArchiveSettings = DicomwebSettings | DimseSettings


@dataclass(frozen=True, kw_only=True)
class PeerSettings:
    """A program that may send films to the node. ae_title: how it calls itself.  address: its IP; empty for any."""

    ae_title: str
    address: str = ""

    def __post_init__(self) -> None:
        _require_ae_title("ae_title", self.ae_title)
        if self.address:
            _require_address("address", self.address)


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """The receiving node (`python -m cxr_core node`, docs/node.md). Raises SettingsError.

    ae_title: by which it has to be called.  address, port: where it listens.  peers: who may send.  quiet_s: how long a
    study has to be quiet before its films are read.  max_film_mb: of one film.  max_spool_mb: of all films that wait;
    more are refused until some are done.  priors: whether films of the same patient are fetched from the archive that
    is searched.  objects: the kinds of results that are sent.  certificate_file, key_file: in PEM; with them senders
    have to encrypt.  client_ca_file: certificates of the authorities one of which has to have signed a sender's own.
    """

    ae_title: str = OUR_AE_TITLE
    address: str = LOOPBACK
    port: int = 11112
    peers: tuple[PeerSettings, ...] = ()
    quiet_s: float = 5.0
    max_film_mb: int = MAX_FILM_MB
    max_spool_mb: int = 8192
    priors: bool = False
    objects: tuple[str, ...] = USUAL_KINDS
    certificate_file: str = ""
    key_file: str = ""
    client_ca_file: str = ""

    def __post_init__(self) -> None:
        _require_ae_title("ae_title", self.ae_title)
        _require_address("address", self.address)
        _require_port("port", self.port)
        if not self.peers:
            raise SettingsError(
                'peers: nobody may send; list who may, such as peers = [{ae_title = "MODALITY1"}]'
            )
        if not 0 <= self.quiet_s <= 3600:
            raise SettingsError(f"quiet_s={self.quiet_s:g}: expected 0 to 3600 seconds")
        if not 1 <= self.max_film_mb <= MAX_FILM_MB:
            raise SettingsError(f"max_film_mb={self.max_film_mb}: expected 1 to {MAX_FILM_MB}")
        if self.max_spool_mb < self.max_film_mb:
            raise SettingsError(
                f"max_spool_mb={self.max_spool_mb}: expected at least max_film_mb={self.max_film_mb}"
            )
        parse_kinds(",".join(self.objects))
        _require_pair(self.certificate_file, self.key_file)
        if self.client_ca_file and not self.certificate_file:
            raise SettingsError(
                "client_ca_file: senders can show a certificate only to a node that has a certificate_file"
            )


@dataclass(frozen=True, kw_only=True)
class PacsSettings:
    """Everything of pacs.toml. Raises SettingsError.

    archives: by the names that the file gives them.  search: the one that is searched for studies and priors.  results:
    the one that results are sent to.  ae_title: how we call ourselves.  node: None where no node is set up.
    """

    archives: Mapping[str, ArchiveSettings]
    search: str
    results: str
    ae_title: str = OUR_AE_TITLE
    node: NodeSettings | None = None

    def __post_init__(self) -> None:
        _require_ae_title("ae_title", self.ae_title)
        for key, name in (("search", self.search), ("results", self.results)):
            if name not in self.archives:
                known = ", ".join(sorted(self.archives))
                raise SettingsError(f"{key}={name!r} is no archive; choose from {known}")


def read_pacs_settings() -> PacsSettings | None:
    """The settings of the workspace; None without the file. Raises SettingsError that names file and key."""
    path = workspace() / FILE
    return load_pacs_settings(path) if path.exists() else None


def load_pacs_settings(path: Path) -> PacsSettings:
    """The settings of a file. Raises SettingsError that names file and key."""
    try:
        return _parse_settings(tomllib.loads(read_outside_file(path, MAX_FILE_BYTES).decode()))
    except FileRefused as refusal:
        raise SettingsError(str(refusal)) from refusal
    except UnicodeDecodeError as error:
        raise SettingsError(f"{printable(path)} is not in UTF-8; save it as UTF-8") from error
    except (ValueError, RecursionError, SettingsError) as error:
        raise SettingsError(f"{printable(path)} cannot be used: {error}") from error


def _parse_settings(content: TomlTable) -> PacsSettings:
    """The settings of a file's tables. What is not named is the only archive that there is."""
    _require_known_keys(PacsSettings, content, "")
    tables = content.get("archives")
    if not isinstance(tables, dict) or not tables:
        raise SettingsError("no archive is named; add a table such as [archives.main]")
    archives = {name: _parse_archive(name, table) for name, table in tables.items()}
    default = next(iter(archives)) if len(archives) == 1 else ""
    values = {
        key: _require_text(key, content.get(key, default))
        for key in ("search", "results")
        if default or key in content
    }
    if missing := {"search", "results"} - values.keys():
        raise SettingsError(
            f"{min(missing)} is missing; name one of the archives {', '.join(archives)}"
        )
    node = content.get("node")
    return PacsSettings(
        archives=archives,
        ae_title=_require_text("ae_title", content.get("ae_title", OUR_AE_TITLE)),
        node=None if node is None else _parse_table(NodeSettings, node, "node"),
        **values,
    )


def _parse_archive(name: str, table: Any) -> ArchiveSettings:
    place = f"archives.{name}"
    if isinstance(table, dict) and ("url" in table) == ("host" in table):
        raise SettingsError(f"{place}: give either url (DICOMweb) or host, port and ae_title")
    if isinstance(table, dict) and "host" in table:
        return _parse_table(DimseSettings, table, place)
    return _parse_table(DicomwebSettings, table, place)


def _parse_table(kind: type[Settings], table: Any, place: str) -> Settings:
    if not isinstance(table, dict):
        raise SettingsError(f"{place}: expected a table [{place}]")
    _require_known_keys(kind, table, f"{place}.")
    try:
        return parse_record(kind, table)
    except (RecordError, SettingsError) as error:
        raise SettingsError(f"[{place}] {error}") from error


def _require_known_keys(kind: Any, table: TomlTable, place: str) -> None:
    known = [field.name for field in fields(kind)]
    for key in table:
        if key not in known:
            raise SettingsError(
                f"unknown key {place}{printable(key)}{suggest(key, known)} Choose from {', '.join(known)}"
            )


def _require_text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"{key}: found {value!r}, expected text")
    return value


def _require_pair(certificate_file: str, key_file: str) -> None:
    if bool(certificate_file) != bool(key_file):
        raise SettingsError("certificate_file and key_file: give both or neither")


def _require_port(key: str, port: int) -> None:
    if not 1 <= port <= 65535:
        raise SettingsError(f"{key}={port}: expected 1 to 65535")


def _require_ae_title(key: str, title: str) -> None:
    """The rules of the value representation AE (PS3.5 6.2)."""
    is_plain = title.isascii() and title.isprintable() and "\\" not in title
    if not 1 <= len(title) <= 16 or not is_plain or title != title.strip():
        raise SettingsError(
            f"{key}={printable(title)!r}: expected 1 to 16 letters, digits and signs, without a backslash and without "
            "spaces around them"
        )


def _require_address(key: str, address: str) -> None:
    try:
        ip_address(address)
    except ValueError as error:
        raise SettingsError(
            f"{key}={printable(address)!r}: expected an IP address, such as 10.0.0.7"
        ) from error


def _split_url(url: str) -> SplitResult | None:
    """The parts of a web address; None for anything else."""
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_web and not parts.query and not parts.fragment else None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False

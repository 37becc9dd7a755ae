"""Lists the installed models and their versions from their cards; no network is loaded."""

from dataclasses import dataclass
from pathlib import Path

from cxr_core.errors import SilhouetteError
from cxr_core.models.card_file import AnyCard, read_card
from cxr_core.models.registry.registry import (
    IMPORT_RECORD,
    explain_inactive,
    find_active_version,
    list_models,
    list_versions,
)
from cxr_core.workspace.json_files import read_json_object
from cxr_core.workspace.paths import SHIPPED_MODELS


@dataclass(frozen=True, kw_only=True)
class PublicationRecord:
    """How a version was published, as its card records it; empty texts where it was not published here."""

    run: str = ""
    when: str = ""  # ISO 8601, UTC
    note: str = ""
    override: str = ""  # why it was published although the gate was closed


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of a model. card: None when it cannot be read, for the reason in `problem`."""

    folder: Path
    is_active: bool
    card: AnyCard | None
    problem: str = ""

    @property
    def name(self) -> str:
        """Its version number."""
        return self.folder.name

    @property
    def is_shipped(self) -> bool:
        """Whether it came with the program."""
        return self.folder.is_relative_to(SHIPPED_MODELS)

    @property
    def imported(self) -> str:
        """When it was imported from a zip file (ISO 8601, UTC); empty when it was not."""
        return str((read_json_object(self.folder / IMPORT_RECORD) or {}).get("when") or "")

    @property
    def publication(self) -> PublicationRecord:
        """How it was published."""
        record = self.card.training.get("published") if self.card else None
        if not isinstance(record, dict):
            return PublicationRecord()
        known = {name: str(record.get(name) or "") for name in ("run", "when", "note", "override")}
        return PublicationRecord(**known)


@dataclass(frozen=True, kw_only=True)
class InstalledModel:
    """An installed model. versions: the lowest first.  reason: why its current.json is not followed."""

    name: str
    versions: tuple[Version, ...]
    reason: str

    @property
    def active(self) -> Version | None:
        """The version that reads films; None when nobody has activated one."""
        return next((version for version in self.versions if version.is_active), None)

    @property
    def shown(self) -> Version:
        """The version that stands for the model: the active one, else the highest."""
        return self.active or self.versions[-1]

    @property
    def previous(self) -> Version | None:
        """The version to roll back to: the next lower one that can be read; None when there is none."""
        if self.active is None:
            return None
        position = self.versions.index(self.active)
        readable = [version for version in self.versions[:position] if version.card is not None]
        return readable[-1] if readable else None

    @property
    def removable(self) -> tuple[Version, ...]:
        """The versions that may be removed: those that are not active and did not come with the program."""
        return tuple(v for v in self.versions if not v.is_active and not v.is_shipped)

    @property
    def unreadable(self) -> tuple[Version, ...]:
        """The versions whose cards cannot be read."""
        return tuple(version for version in self.versions if version.card is None)


def list_installed_models() -> list[InstalledModel]:
    """Every installed model, by name."""
    models = [_load_model(name) for name in list_models()]
    return [model for model in models if model.versions]  # one may have been removed meanwhile


def _load_model(name: str) -> InstalledModel:
    active = find_active_version(name)
    folder = active.folder if active else None
    versions = tuple(_load_version(each, is_active=each == folder) for each in list_versions(name))
    reason = active.reason if active else explain_inactive(name)
    return InstalledModel(name=name, versions=versions, reason=reason)


def _load_version(folder: Path, is_active: bool) -> Version:
    try:
        card = read_card(folder)
    except SilhouetteError as error:
        # One damaged card, or one of another version of the program, must not hide the other models.
        return Version(folder=folder, is_active=is_active, card=None, problem=str(error))
    return Version(folder=folder, is_active=is_active, card=card)

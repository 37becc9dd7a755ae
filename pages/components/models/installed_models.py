"""Lists the installed models and their versions from their cards; no network is loaded."""

from dataclasses import dataclass
from pathlib import Path

from cxr_core.errors import SilhouetteError
from cxr_core.models.card import CARD, ModelCard
from cxr_core.models.registry.registry import (
    find_active_version,
    is_segmenter,
    list_models,
    list_versions,
)
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.workspace.paths import SHIPPED_MODELS

Card = ModelCard | SegmenterCard


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
    card: Card | None
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
    def publication(self) -> PublicationRecord:
        """How it was published."""
        record = self.card.training.get("published") if self.card else None
        if not isinstance(record, dict):
            return PublicationRecord()
        known = {name: str(record.get(name) or "") for name in ("run", "when", "note", "override")}
        return PublicationRecord(**known)


@dataclass(frozen=True, kw_only=True)
class InstalledModel:
    """An installed model. versions: the lowest first.  reason: why the requested version is not the active one."""

    name: str
    versions: tuple[Version, ...]
    reason: str

    @property
    def active(self) -> Version:
        """The version that reads films."""
        return next(version for version in self.versions if version.is_active)

    @property
    def previous(self) -> Version | None:
        """The version to roll back to: the next lower one that can be read; None when there is none."""
        position = self.versions.index(self.active)
        readable = [version for version in self.versions[:position] if version.card is not None]
        return readable[-1] if readable else None

    @property
    def unreadable(self) -> tuple[Version, ...]:
        """The versions whose cards cannot be read."""
        return tuple(version for version in self.versions if version.card is None)


def list_installed_models() -> list[InstalledModel]:
    """Every installed model, by name."""
    return [_load_model(name) for name in list_models()]


def _load_model(name: str) -> InstalledModel:
    active = find_active_version(name)
    assert active is not None  # it has a version, otherwise it would have no name
    versions = tuple(_load_version(folder, active.folder) for folder in list_versions(name))
    return InstalledModel(name=name, versions=versions, reason=active.reason)


def _load_version(folder: Path, active_folder: Path) -> Version:
    is_active = folder == active_folder
    try:
        text = (folder / CARD).read_text(encoding="utf-8")
        card = SegmenterCard.from_json(text) if is_segmenter(folder) else ModelCard.from_json(text)
    except (OSError, UnicodeDecodeError, SilhouetteError) as error:
        # One damaged card, or one of another version of the program, must not hide the other models.
        return Version(folder=folder, is_active=is_active, card=None, problem=str(error))
    return Version(folder=folder, is_active=is_active, card=card)

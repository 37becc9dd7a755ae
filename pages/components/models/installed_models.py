"""What is installed, read from cards: nothing here loads a network."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_core.errors import ModelError
from cxr_core.models.card import CARD, ModelCard
from cxr_core.models.registry.registry import in_use, models, outlines, versions
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.workspace.paths import SHIPPED_MODELS

Card = ModelCard | SegmenterCard


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of a model. card: None when it cannot be read, for the reason in `wrong`."""

    folder: Path
    used: bool
    card: Card | None
    wrong: str = ""

    @property
    def name(self) -> str:
        """Its version."""
        return self.folder.name

    @property
    def shipped(self) -> bool:
        """Whether it came with the program."""
        return self.folder.is_relative_to(SHIPPED_MODELS)

    @property
    def published(self) -> Mapping[str, Any]:
        """The story of its publication, as its card tells it; empty for one that was not published here."""
        return dict(self.card.training.get("published", {})) if self.card else {}


@dataclass(frozen=True, kw_only=True)
class Model:
    """An installed model. versions: the lowest first.  reason: why the version that was asked for is not in use."""

    name: str
    versions: tuple[Version, ...]
    reason: str

    @property
    def used(self) -> Version:
        """The version that readings are made with."""
        return next(each for each in self.versions if each.used)

    @property
    def below(self) -> Version | None:
        """The version to roll back to; None when that in use is the lowest."""
        place = self.versions.index(self.used)
        return self.versions[place - 1] if place else None


def shelf() -> list[Model]:
    """Every installed model, by name."""
    return [_model(name) for name in models()]


def _model(name: str) -> Model:
    used = in_use(name)
    assert used is not None  # it has a version, or it would have no name
    found = tuple(_version(folder, used.folder) for folder in versions(name))
    return Model(name=name, versions=found, reason=used.reason)


def _version(folder: Path, used: Path) -> Version:
    try:
        text = (folder / CARD).read_text(encoding="utf-8")
        card = SegmenterCard.from_json(text) if outlines(folder) else ModelCard.from_json(text)
    except (OSError, UnicodeDecodeError, ModelError) as error:
        return Version(folder=folder, used=folder == used, card=None, wrong=str(error))
    return Version(folder=folder, used=folder == used, card=card)

"""Reads the card of a model folder, of either kind. No network is built, and torch is not imported."""

from pathlib import Path
from typing import TypeVar

from cxr_core.errors import ModelError, RecordError
from cxr_core.models.card import CARD, WEIGHTS, ModelCard
from cxr_core.models.segmenter_card import SEGMENTER, SegmenterCard
from cxr_core.workspace.json_files import read_bounded, read_json_object

Card = TypeVar("Card", ModelCard, SegmenterCard)
AnyCard = ModelCard | SegmenterCard
MAX_CARD_BYTES = 4 << 20


def read_card(folder: Path) -> AnyCard:
    """The card of a model folder. Raises ModelError when it is missing or wrong."""
    if is_segmenter(folder):
        return read_card_of(SegmenterCard, folder)
    return read_card_of(ModelCard, folder)


def read_card_of(kind: type[Card], folder: Path) -> Card:
    """The card of a model folder of a known kind. Raises ModelError when it is missing or wrong."""
    try:
        return kind.from_json(read_bounded(folder / CARD, MAX_CARD_BYTES).decode())
    except (OSError, UnicodeDecodeError, RecordError) as error:
        raise ModelError(
            f"{folder} holds no readable {CARD}; a model folder has {WEIGHTS} and {CARD}"
        ) from error
    except ModelError as error:
        raise ModelError(f"{folder}: {error}") from error


def is_segmenter(folder: Path) -> bool:
    """Whether a model's card is a segmenter's. A card that cannot be read is reported by the code that loads it."""
    return (read_json_object(folder / CARD) or {}).get("kind") == SEGMENTER

"""Finds active models that answer the same finding for the same patients: one of each is active at a time."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from cxr_core.errors import ModelError
from cxr_core.models.card import ModelCard
from cxr_core.models.card_file import AnyCard, is_segmenter, read_card, read_card_of
from cxr_core.models.registry.registry import list_active_versions, list_classifiers
from cxr_core.models.segmenter_card import SegmenterCard
from cxr_core.presentation.wording import finding_in_sentence


@dataclass(frozen=True, kw_only=True)
class Competitor:
    """An active model of another name that answers a finding of a card for some of the same patients.

    findings: that both answer; empty for a segmenter, of which one segments all films.
    """

    folder: Path
    card: AnyCard
    findings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The model's name and version, as its folders are named and commands take them."""
        return f"{self.model} {self.folder.name}"

    @property
    def model(self) -> str:
        """The name that it is installed under; a card that was copied by hand may have another one."""
        return self.folder.parent.name

    def describe(self) -> str:
        """`cardiomegaly-adults 1.4.1 for cardiomegaly (intended population: adults)`."""
        task = join_findings(self.findings) or "the contours of heart and lungs"
        return f"{self.name} for {task} (intended population: {self.card.population.text})"

    def describe_loss(self, card: AnyCard) -> str:
        """What nobody would answer any more if a model of this card replaced this one; empty when nothing is lost."""
        losses = []
        if isinstance(card, ModelCard) and isinstance(self.card, ModelCard):
            lost = tuple(key for key in self.card.findings if key not in card.findings)
            if lost:
                losses.append(f"answers {join_findings(lost)}")
        if not card.population.covers(self.card.population):
            losses.append(f"reads patients who are not among {card.population.text}")
        return " and ".join(losses)


def find_competitors(model: str, card: AnyCard) -> list[Competitor]:
    """The active models of other names that answer a finding of a card for overlapping populations, by name.

    model: the name under which the card's model is, or will be, installed.
    For a segmenter it is every active segmenter of another name. A model whose card cannot be read reads no film, so it
    is none of them.
    """
    if isinstance(card, SegmenterCard):
        return list(_find_other_segmenters(model))
    competitors = []
    for folder, other in _list_active_cards():
        shared = find_shared_findings(card, other)
        if folder.parent.name != model and shared:
            competitors.append(Competitor(folder=folder, card=other, findings=shared))
    return competitors


def describe_replaced(model: str, card: AnyCard) -> str:
    """Which models in use a model of this name and card replaces, as a sentence; empty when there are none."""
    competitors = find_competitors(model, card)
    return f"It replaces {'; '.join(map(Competitor.describe, competitors))}." if competitors else ""


def describe_refusal(model: str, card: AnyCard) -> str:
    """Why a model of this name and card cannot replace one in use that does more; empty when it can."""
    if isinstance(card, SegmenterCard):
        return ""
    for competitor in find_competitors(model, card):
        loss = competitor.describe_loss(card)
        if loss:
            return (
                f"{model} {card.version} would replace {competitor.describe()}, which also {loss}; nothing would "
                f"do so any more. To use it nevertheless, retire {competitor.model} first"
            )
    return ""


def find_shared_findings(card: ModelCard, other: ModelCard) -> tuple[str, ...]:
    """The findings that two models both answer for some of the same patients."""
    if not card.population.overlaps(other.population):
        return ()
    return tuple(key for key in card.findings if key in other.findings)


def list_conflicts() -> list[str]:
    """A sentence for each pair of active models that answer the same finding for the same patients."""
    active = list(_list_active_cards())
    names = {folder.parent.name for folder, _ in active}
    reading = [
        (folder, card) for folder, card in active if not is_copy_of_other(folder, card, names)
    ]
    sentences = []
    for (first, card), (second, other) in combinations(reading, 2):
        shared = find_shared_findings(card, other)
        if shared:
            sentences.append(
                f"{first.parent.name} {first.name} and {second.parent.name} {second.name} both answer "
                f"{join_findings(shared)} for some of the same patients, whose readings show both opinions. Retire one "
                "of them."
            )
    return sentences


def is_copy_of_other(folder: Path, card: ModelCard, active: Collection[str]) -> bool:
    """Whether a folder holds a copy of another active model, as its card says; such a copy reads no film.

    active: the names under which the active models are installed.
    """
    return card.model != folder.parent.name and card.model in active


def join_findings(findings: tuple[str, ...]) -> str:
    """The names of findings within a sentence: `cardiomegaly, effusion`."""
    return ", ".join(finding_in_sentence(key) for key in findings)


def _list_active_cards() -> Iterator[tuple[Path, ModelCard]]:
    for folder in list_classifiers():
        try:
            yield folder, read_card_of(ModelCard, folder)
        except ModelError:
            continue


def _find_other_segmenters(model: str) -> Iterator[Competitor]:
    for active in list_active_versions():
        if active.folder.parent.name != model and is_segmenter(active.folder):
            try:
                yield Competitor(folder=active.folder, card=read_card(active.folder))
            except ModelError:
                continue

"""Films that a model never learnt from, told in its card, so that it can be compared with another on them.

A card says `training.data.left_aside`: whether the data's own test part was left alone, and which gate films were. It
speaks for the model and for the one that it began from. A card that says nothing has promised nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cxr_core.data.manifest import Manifest
from cxr_core.data.splits.holdout import GATE, RULE
from cxr_core.models.card import CARD, ModelCard
from cxr_core.models.networks.initialise import model_begun_from
from cxr_core.training.recipe.recipe import Recipe


@dataclass(frozen=True)
class LeftAside:
    """What one model never learnt from.

    official_test: the data's own test part.  gate_share: patients drawn below it, by today's rule; 0 = none.
    kinds: layouts of all data that it learnt from; another layout may give the same patients other numbers.
    """

    official_test: bool
    gate_share: float
    kinds: frozenset[str]

    @classmethod
    def of(cls, training: Mapping[str, Any]) -> "LeftAside":
        """As a card's `training` tells it."""
        data = training.get("data", {})
        said = data.get("left_aside") or {}
        gate = said.get("gate") or {}
        share = gate.get("share", 0.0) if gate.get("rule") == RULE else 0.0
        return cls(
            bool(said.get("official_test")),
            share,
            frozenset(said.get("kinds") or _kinds(data.get("kind", ""))),
        )

    def covers_gate(self, share: float, kinds: frozenset[str]) -> bool:
        """Whether it learnt from none of the patients that a gate of this share holds, in data of these layouts."""
        return 0 < share <= self.gate_share and self.kinds <= kinds


def left_aside(recipe: Recipe, films: Manifest) -> dict[str, Any]:
    """What a run is about to leave aside, for its manifest and its card. films: divided."""
    gate = films.table[films.table["split"] == GATE]
    began = _of_beginning(recipe.init)
    test, share, kinds = recipe.split == "given", recipe.gate_share, _kinds(films.kind)
    if began is not None:
        test, share, kinds = (
            test and began.official_test,
            min(share, began.gate_share),
            kinds | began.kinds,
        )
    found: dict[str, Any] = {"official_test": test, "kinds": sorted(kinds), "gate": None}
    if len(gate):
        counts = {"films": len(gate), "patients": int(gate["patient"].nunique())}
        split = films.with_table(gate).split_sha256()
        # carved: by this run.  share: of it, what the model that it began from has not learnt from either.
        found["gate"] = {
            "rule": RULE,
            "share": share,
            "carved": recipe.gate_share,
            **counts,
            "split_sha256": split,
        }
    return found


def as_trained(recipe: Recipe, card: ModelCard) -> Recipe:
    """The recipe with the share of gate films that the model of a card has left aside, which may be none."""
    gate = (card.training.get("data", {}).get("left_aside") or {}).get("gate") or {}
    return replace(recipe, gate_share=gate.get("carved", 0.0))


def _of_beginning(init: str) -> LeftAside | None:
    """Of the model that a run begins from; None when it begins from random weights, ImageNet's, or a bare file."""
    folder = model_begun_from(init)
    if folder is None:
        return None
    return LeftAside.of(json.loads((folder / CARD).read_text(encoding="utf-8")).get("training", {}))


def _kinds(kind: str) -> frozenset[str]:
    return frozenset(filter(None, kind.split("+")))

"""One installed model, ready to read: frozen, shared by every thread, changed by none.

pixels -> grid -> model input -> features -> logits, evidence -> probabilities
                              └> middle maps -> unfamiliarity
"""

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cxr_core.errors import ReadingError
from cxr_core.film.preprocess import Placement, normalise, to_grid
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.card import ModelCard
from cxr_core.models.networks.architectures import FilmClassifier
from cxr_core.models.store import load_card, load_familiarity, load_network
from cxr_core.reading import calibration
from cxr_core.reading.heatmaps import logits_and_evidence
from cxr_core.reading.methods import EXACT
from cxr_core.reading.ood import Familiarity, describe
from cxr_core.reading.results import Evidence, ModelOutput

one_at_a_time = threading.Lock()


@dataclass(frozen=True, kw_only=True, eq=False)
class Classifier:
    """A card, its network and what its training films looked like."""

    card: ModelCard
    network: FilmClassifier
    familiarity: Familiarity | None = None

    @classmethod
    def load(cls, folder: Path) -> "Classifier":
        """The classifier of a model folder. Raises ModelError when the folder is not whole."""
        card = load_card(folder)
        network = load_network(folder, card).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        statistics = load_familiarity(folder)
        known = Familiarity(statistics) if statistics is not None else None
        return cls(card=card, network=network, familiarity=known)

    def read(self, film: Radiograph) -> ModelOutput:
        """Read one film. Raises ReadingError when the network gives no finite number."""
        return self.read_grids(self.grid(film)[None], [film.shape])[0]

    def grid(self, film: Radiograph) -> np.ndarray:
        """A film on the model's grid: (S, S) uint8."""
        return to_grid(film.pixels, self.card.input_spec)

    def read_grids(
        self, grids: np.ndarray, film_shapes: list[tuple[int, int]]
    ) -> list[ModelOutput]:
        """Read films already on the model's grid. grids: (B, S, S) uint8; film_shapes: (H, W) of each."""
        inputs = torch.from_numpy(normalise(grids, self.card.input_spec))
        return self.read_inputs(inputs.contiguous(memory_format=torch.channels_last), film_shapes)

    def read_inputs(self, inputs: Tensor, film_shapes: list[tuple[int, int]]) -> list[ModelOutput]:
        """Read model inputs (B, C, S, S), one forward pass for logits, evidence and familiarity of them all."""
        logits, evidence, features, strangeness = self._forward(inputs)
        return [
            self._output(logits[i], evidence[i], features[i], float(strangeness[i]), shape)
            for i, shape in enumerate(film_shapes)
        ]

    def explain(self, output: ModelOutput, finding: str, method: str) -> Evidence:
        """The heatmap of one finding by a named method, from the features of a reading already made."""
        exact = output.evidence[finding]
        if method == EXACT:
            return exact
        from cxr_core.reading.grad_cam import library_map  # slow to import, and seldom asked for

        cells = library_map(
            self.network, output.features, self.card.findings.index(finding), method
        )
        return Evidence(
            finding=finding,
            method=method,
            unit="relative",
            cells=cells,
            scale=1.0,
            placement=exact.placement,
        )

    def _forward(self, inputs: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Logits (B, L), evidence (B, L, h, w), features (B, F, h, w), unfamiliarity (B,)."""
        # The networks use every core by themselves: two at once would only evict each other's caches.
        with one_at_a_time, torch.inference_mode():
            features, maps = self.network.forward_described(inputs)
            logits, evidence = logits_and_evidence(self.network, features)
            strangeness = self._unfamiliarity(maps)
            return logits.numpy(), evidence.numpy(), features.contiguous().numpy(), strangeness

    def _unfamiliarity(self, maps: list[Tensor]) -> np.ndarray:
        if self.familiarity is None or self.card.familiarity_limit is None:
            return np.zeros(len(maps[0]))
        return self.familiarity.distance(describe(maps)).numpy() / self.card.familiarity_limit

    def _beyond_usual(self, finding: str, cells: np.ndarray) -> np.ndarray:
        usual = np.array(self.card.usual_evidence.get(finding, 0.0), np.float32)
        if usual.ndim and usual.shape != cells.shape:
            raise ReadingError(
                f"the card of {self.card.model} {self.card.version} has usual evidence of {usual.shape} cells for "
                f"{finding}, the network {cells.shape}: they are not of one model; install it anew"
            )
        return cells - usual

    def _output(
        self,
        logits: np.ndarray,
        evidence: np.ndarray,
        features: np.ndarray,
        strangeness: float,
        shape: tuple[int, int],
    ) -> ModelOutput:
        card = self.card
        if not np.isfinite(logits).all():
            raise ReadingError(
                f"{card.model} {card.version} gave {logits.tolist()} instead of finite logits"
            )
        placement = Placement.fit(shape, card.input_spec)
        maps = {
            key: Evidence(
                finding=key,
                method=EXACT,
                unit="logit",
                cells=self._beyond_usual(key, evidence[i]),
                scale=card.evidence_scale[key],
                placement=placement,
                against_usual=key in card.usual_evidence,
            )
            for i, key in enumerate(card.findings)
        }
        return ModelOutput(
            card=card,
            logits=logits,
            probabilities=calibration.apply_all(card, logits),
            evidence=maps,
            features=features,
            unfamiliarity=strangeness,
        )

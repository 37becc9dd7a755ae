"""Reads films with one installed classifier, which every thread shares and none changes.

pixels -> grid -> model input -> features -> logits, attributions -> probabilities
                              └> middle maps -> out-of-distribution score
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cxr_core.errors import ModelError, ReadingError
from cxr_core.film.preprocess import Placement, normalise_grids, to_grid
from cxr_core.film.radiograph import Radiograph
from cxr_core.models.card import ModelCard
from cxr_core.models.exported.backend import TORCH, BackendChoice, load_exported
from cxr_core.models.exported.runtimes import DESCRIPTORS, FEATURES, Runtime
from cxr_core.models.networks.architectures import FilmClassifier
from cxr_core.models.networks.batch_norm_folding import fold_batch_norm
from cxr_core.models.store import load_card, load_network, load_ood_statistics
from cxr_core.reading.calibration import calibrate_logits
from cxr_core.reading.cores import PROCESS_CORES, CoreScheduler
from cxr_core.reading.heatmaps import compute_library_heatmap, forward_with_attribution
from cxr_core.reading.ood import OodDetector, embed_maps
from cxr_core.reading.results import EXACT_METHOD, Attribution, ModelOutput
from cxr_core.workspace.paths import printable


@dataclass(frozen=True, eq=False)
class _ForwardPass:
    """What a network computes from a batch of B films."""

    logits: np.ndarray  # (B, L)
    attributions: np.ndarray  # (B, L, h, w)
    features: np.ndarray  # (B, F, h, w)
    ood_scores: np.ndarray  # (B,)


@dataclass(frozen=True, kw_only=True, eq=False)
class Classifier:
    """A card, its network and the statistics of its training films. ood_detector: None scores every film 0.

    network: with batch normalisation folded into its convolutions.  folder: where both were loaded from, if they were.
    exported: the same network in another library, which computes features and descriptors instead; None = torch does.
    The head is always torch's, so that attributions are exact.  backend: what computes the features, by name.
    """

    card: ModelCard
    network: FilmClassifier
    ood_detector: OodDetector | None = None
    cores: CoreScheduler = PROCESS_CORES
    folder: Path | None = None
    exported: Runtime | None = None
    backend: str = TORCH

    @classmethod
    def load(cls, folder: Path, backend: BackendChoice = TORCH) -> "Classifier":
        """The classifier of a model folder, which has read one film of noise.

        Raises ModelError when the folder is incomplete or damaged, or its files do not belong together, and when the
        backend cannot be had.
        """
        card = load_card(folder)
        network = load_network(folder, card).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        statistics = load_ood_statistics(folder)
        detector = OodDetector(statistics) if statistics is not None else None
        if detector is not None and detector.is_degenerate:
            detector = None
        classifier = cls(card=card, network=network, ood_detector=detector, folder=folder)
        try:
            fold_batch_norm(network, classifier._predict_noise)
            return classifier.use_backend(backend)
        except (ReadingError, RuntimeError, ValueError) as error:
            raise ModelError(f"{printable(folder)} cannot read a film: {error}") from error

    def use_backend(self, choice: BackendChoice) -> "Classifier":
        """This classifier with another backend, which has read one film of noise.

        Raises ModelError when the backend cannot be had, ReadingError when it gives no finite number.
        """
        found = load_exported(self.card, choice, self.cores.cores)
        if found is None:
            return replace(self, exported=None, backend=TORCH)
        backend, runtime = found
        classifier = replace(self, exported=runtime, backend=backend)
        classifier._predict_noise()
        return classifier

    def load_trained_network(self) -> FilmClassifier:
        """The network with each of its layers as it was trained. Raises ModelError when its folder was changed."""
        return load_network(self.folder, self.card) if self.folder else self.network

    def read(self, film: Radiograph) -> ModelOutput:
        """Read one film. Raises ReadingError when the network gives no finite number."""
        return self.read_grids(self.prepare_grid(film)[None], [film.shape])[0]

    def prepare_grid(self, film: Radiograph) -> np.ndarray:
        """A film on the model's grid: (S, S) uint8."""
        return to_grid(film.pixels, self.card.input_spec)

    def read_grids(
        self, grids: np.ndarray, film_shapes: Sequence[tuple[int, int]]
    ) -> list[ModelOutput]:
        """Read films that are on the model's grid already. grids: (B, S, S) uint8.  film_shapes: (H, W) of each."""
        inputs = torch.from_numpy(normalise_grids(grids, self.card.input_spec))
        return self.read_inputs(inputs, film_shapes)

    def read_inputs(
        self, inputs: Tensor, film_shapes: Sequence[tuple[int, int]]
    ) -> list[ModelOutput]:
        """Read model inputs (B, C, S, S): one forward pass for logits, attributions and ood scores of them all."""
        batch = self._forward(inputs)
        return [
            self._build_output(batch, index, film_shape)
            for index, film_shape in enumerate(film_shapes)
        ]

    def explain(self, output: ModelOutput, finding: str, method: str) -> Attribution:
        """The heatmap of one finding by a key of HEATMAP_METHODS, from the features of a reading already made."""
        exact = output.attributions[finding]
        if method == EXACT_METHOD:
            return exact
        index = self.card.findings.index(finding)
        return Attribution(
            finding=finding,
            method=method,
            unit="relative",
            cells=compute_library_heatmap(self.network, output.features, index, method),
            scale=1.0,
            placement=exact.placement,
        )

    def _predict_noise(self) -> np.ndarray:
        """Logits (L,) of a film of noise."""
        side = self.card.input_spec.side
        noise = np.random.default_rng(0).integers(0, 256, (1, side, side), np.uint8)
        return self.read_grids(noise, [(side, side)])[0].logits

    def _forward(self, inputs: Tensor) -> _ForwardPass:
        with self.cores.forward_pass():
            features, descriptors = self._compute_features(inputs)
            logits, attributions = forward_with_attribution(self.network, features)
            return _ForwardPass(
                logits=logits.numpy(),
                attributions=attributions.numpy(),
                features=features.contiguous().numpy(),
                ood_scores=self._score_ood(descriptors),
            )

    def _compute_features(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, F, h, w) and the descriptors (B, D) of the middle maps."""
        if self.exported is None:
            channels_last = inputs.contiguous(memory_format=torch.channels_last)
            features, maps = self.network.forward_with_middle_maps(channels_last)
            return features, embed_maps(maps)
        arrays = self.exported.run(inputs.contiguous().numpy())
        outputs = dict(zip(self.exported.outputs, arrays, strict=True))
        return torch.from_numpy(outputs[FEATURES]), torch.from_numpy(outputs[DESCRIPTORS])

    def _score_ood(self, descriptors: Tensor) -> np.ndarray:
        if self.ood_detector is None or self.card.ood_limit is None:
            return np.zeros(len(descriptors))
        distances = self.ood_detector.measure_distance(descriptors)
        return np.asarray(distances.numpy() / self.card.ood_limit)

    def _build_output(
        self, batch: _ForwardPass, index: int, film_shape: tuple[int, int]
    ) -> ModelOutput:
        card, logits = self.card, batch.logits[index]
        if not np.isfinite(logits).all():
            raise ReadingError(
                f"{card.model} {card.version} gave {logits.tolist()} instead of finite logits"
            )
        if not np.isfinite(batch.ood_scores[index]):
            raise ReadingError(
                f"{card.model} {card.version} gave no finite distance to its training films"
            )
        placement = Placement.fit(film_shape, card.input_spec)
        attributions = {
            key: Attribution(
                finding=key,
                method=EXACT_METHOD,
                unit="logit",
                cells=self._subtract_baseline(key, cells),
                scale=card.evidence_scale[key],
                placement=placement,
                against_baseline=key in card.baseline_attribution,
            )
            for key, cells in zip(card.findings, batch.attributions[index], strict=True)
        }
        return ModelOutput(
            card=card,
            logits=logits,
            probabilities=calibrate_logits(card, logits),
            attributions=attributions,
            features=batch.features[index],
            ood_score=float(batch.ood_scores[index]),
            backend=self.backend,
        )

    def _subtract_baseline(self, finding: str, cells: np.ndarray) -> np.ndarray:
        baseline = np.array(self.card.baseline_attribution.get(finding, 0.0), np.float32)
        if baseline.ndim and baseline.shape != cells.shape:
            raise ReadingError(
                f"the card of {self.card.model} {self.card.version} has a baseline attribution of {baseline.shape} "
                f"cells for {finding}, the network {cells.shape}: they are not of one model; install it again"
            )
        return np.asarray(cells - baseline)

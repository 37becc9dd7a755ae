"""A folder of drawn chests whose outlines, ratios and labels are known, and a segmenter that makes no mistake."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from cxr_core.data.film_set import load_film_set
from cxr_core.data.manifest import Manifest
from cxr_core.film.phantom.phantom import PhantomSpec, compute_truth, draw_phantom
from cxr_core.film.preprocess import InputSpec
from cxr_core.findings import STRUCTURES
from cxr_core.models.card import Population
from cxr_core.models.segmenter_card import RatioInterval, SegmenterCard
from cxr_core.reading.cardiothoracic.contours import SegmentationResult
from tests.hearts import segment_drawing

SIDE = 128
NOISE = 0.08  # so much that no two films are near-duplicates, although only their hearts differ
COUNT = 12
SPECS = {
    f"{index:02}.png": PhantomSpec(
        height=SIDE, width=SIDE, heart_width=0.24 + 0.02 * index, noise=NOISE, seed=index
    )
    for index in range(COUNT)
}
RATIOS = {name: compute_truth(spec).cardiothoracic_ratio for name, spec in SPECS.items()}
CARD = SegmenterCard(
    model="anatomy",
    version="1.0.0",
    arguments={"backbone": "mobilenetv3_small_050", "channels": 1},
    input_spec=InputSpec(side=64, channels=1),
    population=Population(text="anybody"),
    ratio_interval=RatioInterval(offset=0.01, factor=2.0, source="a test"),
    weights_sha256="0" * 64,
)


def write_films(place: Path, masks: bool = True, labels: bool = True) -> Path:
    """Films 0, 3, 6, … are train, the others test; enlarged hearts are labelled so; every other film is PA."""
    for name in ("images", *(f"masks/{structure}" for structure in STRUCTURES if masks)):
        (place / name).mkdir(parents=True)
    lines = ["image,patient,split,view" + (",cardiomegaly" if labels else "")]
    for index, (name, spec) in enumerate(SPECS.items()):
        cv2.imwrite(
            str(place / "images" / name), np.rint(draw_phantom(spec).pixels * 255).astype(np.uint8)
        )
        part, view = "test" if index % 3 else "train", "AP" if index % 2 else "PA"
        lines.append(
            f"{name},p{index},{part},{view}" + (f",{int(RATIOS[name] > 0.5)}" if labels else "")
        )
        for structure in STRUCTURES if masks else ():
            mask = getattr(compute_truth(spec), structure).astype(np.uint8) * 255
            cv2.imwrite(str(place / "masks" / structure / name), mask)
    (place / "films.csv").write_text("\n".join(lines) + "\n")
    return place


@dataclass
class TrueSegmenter:
    """Stands in for a Segmenter: gives the true segmentation, except for films whose heart it misses."""

    films: Manifest
    missed: tuple[str, ...] = ()
    card: SegmenterCard = CARD
    known: dict[bytes, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        grids = load_film_set(self.films, self.card.input_spec).take_grids(slice(None))
        self.known = {
            grid.tobytes(): name for grid, name in zip(grids, self.films.names, strict=True)
        }

    def segment_grid(self, grid: np.ndarray, film_shape: tuple[int, int]) -> SegmentationResult:
        name = self.known[grid.tobytes()]
        assert film_shape == (SIDE, SIDE)
        drawn = segment_drawing(SPECS[name], name not in self.missed)
        return replace(drawn, model=self.card.model, version=self.card.version)

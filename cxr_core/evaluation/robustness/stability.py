"""Changes of a film that should not change its reading, and how far a probability moves when they are made."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from cxr_core.evaluation.bootstrap.bootstrap import bootstrapped, figures_of
from cxr_core.evaluation.metrics.metrics import auroc
from cxr_core.film.decoding.decode import decode
from cxr_core.film.radiograph import Radiograph

Change = Callable[[Radiograph], Radiograph]


def _with(film: Radiograph, pixels: np.ndarray) -> Radiograph:
    return replace(film, pixels=np.ascontiguousarray(np.clip(pixels, 0, 1), dtype=np.float32))


def _through_file(film: Radiograph, suffix: str, levels: int, *options: int) -> Radiograph:
    """The film as it comes back from a file of that kind."""
    kind = np.uint8 if levels < 256 else np.uint16
    ok, data = cv2.imencode(suffix, np.rint(film.pixels * levels).astype(kind), list(options))
    assert ok, "a grey picture always has a file"
    return replace(decode(data.tobytes()), age_years=film.age_years, view=film.view, sex=film.sex)


def _resized(film: Radiograph, longest: int) -> Radiograph:
    height, width = film.shape
    scale = longest / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return replace(_with(film, cv2.resize(film.pixels, size, interpolation=way)), spacing_mm=None)


def _turned(film: Radiograph, degrees: float) -> Radiograph:
    height, width = film.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    return _with(
        film, cv2.warpAffine(film.pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    )


def _contrast(film: Radiograph, factor: float) -> Radiograph:
    middle = float(film.pixels.mean())
    return _with(film, (film.pixels - middle) * factor + middle)


CHANGES: dict[str, Change] = {
    "JPEG of quality 90": lambda film: _through_file(
        film, ".jpg", 255, cv2.IMWRITE_JPEG_QUALITY, 90
    ),
    "PNG of 16 bits": lambda film: _through_file(film, ".png", 65535),
    "224 px": lambda film: _resized(film, 224),
    "512 px": lambda film: _resized(film, 512),
    "2,000 px": lambda film: _resized(film, 2000),
    "10 % brighter": lambda film: _with(film, film.pixels + 0.1),
    "10 % darker": lambda film: _with(film, film.pixels - 0.1),
    "10 % more contrast": lambda film: _contrast(film, 1.1),
    "10 % less contrast": lambda film: _contrast(film, 0.9),
    "turned by 3 degrees": lambda film: _turned(film, 3.0),
    "turned by -3 degrees": lambda film: _turned(film, -3.0),
}


def stability_figures(
    before: np.ndarray,
    after: np.ndarray,
    crossed: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
) -> dict[str, Any]:
    """How far the probabilities of the same films moved.

    before, after: probabilities (N,).  crossed: (N,) whether the call changed.  labels: (N,) 1, 0 or NaN.
    mean_change: of the probability, without its sign.  largest_change: of any film.  calls_changed: share of films
    whose call did.  auroc_change: after - before, on the films with a label. 95 % intervals by patient.
    """
    moved = np.abs(after - before)

    def measured(weights: np.ndarray) -> dict[str, np.ndarray]:
        total = weights.sum(axis=1)
        return {"mean_change": weights @ moved / total, "calls_changed": weights @ crossed / total}

    known = ~np.isnan(labels)

    def ranked(weights: np.ndarray) -> dict[str, np.ndarray]:
        of = (auroc(scores[known], labels[known], weights) for scores in (after, before))
        return {"auroc_change": next(of) - next(of)}

    figures = figures_of(bootstrapped(measured, patients), labels)
    if known.any():
        figures |= figures_of(bootstrapped(ranked, patients[known]), labels[known])
    return {
        **{name: figure.to_json() for name, figure in figures.items()},
        "largest_change": round(float(moved.max()), 6),
        "n": len(before),
    }


def stability_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The figures of each change as a table in Markdown."""
    lines = [
        "| change | films | mean change | largest | calls changed | AUROC change |",
        "|---|---|---|---|---|---|",
    ]
    for name, figures in found.items():
        cells = [
            name,
            str(figures["n"]),
            _cell(figures["mean_change"]),
            f"{figures['largest_change']:.3f}",
        ]
        cells += [_cell(figures["calls_changed"]), _cell(figures.get("auroc_change"))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(figure: Mapping[str, Any] | None) -> str:
    if figure is None or figure["value"] is None:
        return "undefined"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"

"""The one colour ramp of heatmaps: the same evidence has the same colour on every film, on paper and on the screen.

A map is drawn over the grey film. Where there is no evidence, or evidence against the finding, nothing is drawn;
colour and opacity grow together up to the scale, and what exceeds the scale is drawn like the scale.
"""

import numpy as np

# Evenly spaced from no evidence to the full scale; linear in between, per sRGB channel. Brightness grows along the
# ramp, so that it also reads in print and for colour-blind eyes. The viewer's script is handed these same stops.
RAMP: tuple[tuple[int, int, int], ...] = (
    (58, 28, 113),
    (112, 31, 129),
    (168, 44, 125),
    (217, 66, 101),
    (244, 104, 67),
    (252, 158, 47),
    (252, 222, 80),
)
# The share of the scale at which a map reaches its full opacity; below it, opacity grows linearly from 0.
OPAQUE_AT = 0.5
OPACITY = 0.65  # unless the reader chooses another


def ramp(values: np.ndarray) -> np.ndarray:
    """Colours of values in [0, 1] (clipped), of any shape: the same shape with a last axis of 3, uint8 sRGB."""
    stops = np.array(RAMP, dtype=np.float32)
    levels = np.arange(256) / 255 * (len(stops) - 1)
    table = np.stack(
        [np.interp(levels, np.arange(len(stops)), channel) for channel in stops.T], axis=-1
    )
    return np.rint(table).astype(np.uint8)[np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)]


def opacities(values: np.ndarray, opacity: float = OPACITY) -> np.ndarray:
    """How opaque values (shares of the scale) are drawn: float32 in [0, opacity]; 0 for none, negative and NaN."""
    return (opacity * np.clip(np.nan_to_num(values) / OPAQUE_AT, 0, 1)).astype(np.float32)


def overlay(
    film_pixels: np.ndarray, heat_on_film: np.ndarray, scale: float, opacity: float = OPACITY
) -> np.ndarray:
    """A heatmap drawn over its film: (H, W, 3) uint8 sRGB.

    film_pixels: (H, W) in [0, 1].  heat_on_film: (H, W) in the unit of `scale`; NaN where the model did not look.
    scale: the value drawn in full colour, above 0; the same for every film, never this map's own maximum.
    """
    if not scale > 0:
        raise ValueError(f"a heatmap's scale must be above 0, not {scale}")
    share = np.nan_to_num(heat_on_film / np.float32(scale))
    alpha = opacities(share, opacity)[..., None]
    grey = (film_pixels * np.float32(255))[..., None]
    return np.rint(grey + (ramp(share) - grey) * alpha).clip(0, 255).astype(np.uint8)

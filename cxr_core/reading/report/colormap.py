"""Maps attributions to colours by one ramp: the same attribution has the same colour on every film and screen.

A map is drawn over the grey film. Where there is no evidence, or evidence against the finding, nothing is drawn; colour
and opacity grow together up to the scale, and what exceeds the scale is drawn like the scale.
"""

import numpy as np

# Evenly spaced from no evidence to the full scale; linear in between, per sRGB channel. Brightness grows along the
# ramp, so that it also reads in print and for colour-blind eyes. The viewer's script gets these same stops.
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


def map_colours(values: np.ndarray) -> np.ndarray:
    """Colours of values in [0, 1] (clipped), of any shape: the same shape with a last axis of 3, uint8 sRGB."""
    stops = np.array(RAMP, dtype=np.float32)
    levels = np.arange(256) / 255 * (len(stops) - 1)
    positions = np.arange(len(stops))
    channels = [np.interp(levels, positions, channel) for channel in stops.T]
    table = np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
    return np.asarray(table[np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)])


def map_opacities(values: np.ndarray, opacity: float = OPACITY) -> np.ndarray:
    """Opacities of values (shares of the scale): float32 in [0, opacity]; 0 for zero, negative and NaN."""
    shares = np.clip(np.nan_to_num(values) / OPAQUE_AT, 0, 1)
    return np.asarray(opacity * shares, dtype=np.float32)


def overlay_heatmap(
    film_pixels: np.ndarray, heat_on_film: np.ndarray, scale: float, opacity: float = OPACITY
) -> np.ndarray:
    """A heatmap drawn over its film: (H, W, 3) uint8 sRGB.

    film_pixels: (H, W) in [0, 1].  heat_on_film: (H, W) in the unit of `scale`; NaN where the model saw nothing.
    scale: the value drawn in full colour, above 0; the same for every film, never this map's own maximum.
    """
    if not scale > 0:
        raise ValueError(f"a heatmap's scale must be above 0, not {scale}")
    share = np.nan_to_num(heat_on_film / np.float32(scale))
    alpha = map_opacities(share, opacity)[..., None]
    grey = (film_pixels * np.float32(255))[..., None]
    blended = grey + (map_colours(share) - grey) * alpha
    return np.asarray(np.rint(blended).clip(0, 255).astype(np.uint8))

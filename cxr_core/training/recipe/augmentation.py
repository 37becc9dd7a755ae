"""The settings of the augmentation: how far a training film may be changed.

The shipped recipes do not flip films: a flip moves the heart to the right and teaches a false anatomy.
"""

from dataclasses import dataclass

from cxr_core.training.recipe.settings import require_valid, setting

AUGMENTATION = "Augmentation"
MAX_ROTATION_DEG = 45


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Limits of random changes; zero everywhere changes nothing.

    rotation_deg, shift, zoom, stretch, contrast, gamma and brightness are sampled uniformly between minus and plus
    their limit, zoom, stretch and gamma as factors exp(value).
    """

    rotation_deg: float = setting(
        "Rotation (degrees)",
        "Rotates films by up to this angle, either way.",
        AUGMENTATION,
        default=0.0,
        low=0,
        high=MAX_ROTATION_DEG,
    )
    shift: float = setting(
        "Translation (share of the side)",
        "Translates films by up to this share of the side.",
        AUGMENTATION,
        default=0.0,
        low=0,
        high=1,
    )
    zoom: float = setting(
        "Zoom (log factor)",
        "Scales films by up to exp(± this).",
        AUGMENTATION,
        default=0.0,
        low=0,
        high=1,
    )
    stretch: float = setting(
        "Aspect ratio (log factor)",
        "Changes the ratio of width to height by up to exp(± this).",
        AUGMENTATION,
        default=0.0,
        low=0,
        high=1,
    )
    brightness: float = setting(
        "Brightness",
        "Adds up to ± this to grey values in [0, 1].",
        AUGMENTATION,
        default=0.0,
        low=0,
        high=1,
    )
    contrast: float = setting(
        "Contrast",
        "Changes the contrast by up to this share.",
        AUGMENTATION,
        default=0.0,
        low=0,
        high=1,
    )
    gamma: float = setting(
        "Gamma (log factor)",
        "Applies a gamma of up to exp(± this).",
        AUGMENTATION,
        default=0.0,
        low=0,
        high=1,
    )
    low_resolution: float = setting(
        "Low resolution probability",
        "Probability that a film is downsampled by up to 3 and enlarged again, so that sharpness is no cue.",
        AUGMENTATION,
        default=0.0,
        low=0,
        high=1,
    )
    jpeg: float = setting(
        "JPEG probability",
        "Probability that a film is stored as a JPEG of quality 40 to 95, after downsampling if there is any, so "
        "that the blocks of small JPEG files are no cue.",
        AUGMENTATION,
        default=0.0,
        low=0,
        high=1,
    )
    flip: float = setting(
        "Horizontal flip probability",
        "Probability of a horizontal flip, which moves the heart to the right and teaches a false anatomy.",
        AUGMENTATION,
        default=0.0,
        low=0,
        high=1,
    )
    border: float = setting(
        "Border width (share of the side)",
        "Adds a border of one grey value, up to this wide on each side, to half of the films.",
        AUGMENTATION,
        default=0.0,
        low=0,
        high=1,
    )
    corner: float = setting(
        "Corner marker probability",
        "Probability of an inverted box in a corner, as side markers and burnt-in letters are.",
        AUGMENTATION,
        default=0.0,
        low=0,
        high=1,
    )

    def __post_init__(self) -> None:
        require_valid(self, name="augmentation")

"""The settings of the augmentation: how far a training film may be changed.

The shipped recipes do not flip films: a flip moves the heart to the right and teaches a false anatomy.
"""

from dataclasses import dataclass, field

from cxr_core.training.recipe.settings import require_valid, setting

AUGMENTATION = "Augmentation"
MAX_ROTATION_DEG = 45


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Limits of random changes; zero everywhere changes nothing.

    rotation_deg, shift, zoom, stretch, contrast, gamma and brightness are sampled uniformly between minus and plus
    their limit, zoom, stretch and gamma as factors exp(value).
    """

    rotation_deg: float = field(
        default=0.0,
        metadata=setting(
            "Rotation (degrees)",
            "Rotates films by up to this angle, either way.",
            AUGMENTATION,
            low=0,
            high=MAX_ROTATION_DEG,
        ),
    )
    shift: float = field(
        default=0.0,
        metadata=setting(
            "Translation (share of the side)",
            "Translates films by up to this share of the side.",
            AUGMENTATION,
            low=0,
            high=1,
        ),
    )
    zoom: float = field(
        default=0.0,
        metadata=setting(
            "Zoom (log factor)", "Scales films by up to exp(± this).", AUGMENTATION, low=0, high=1
        ),
    )
    stretch: float = field(
        default=0.0,
        metadata=setting(
            "Aspect ratio (log factor)",
            "Changes the ratio of width to height by up to exp(± this).",
            AUGMENTATION,
            low=0,
            high=1,
        ),
    )
    brightness: float = field(
        default=0.0,
        metadata=setting(
            "Brightness",
            "Adds up to ± this to grey values in [0, 1].",
            AUGMENTATION,
            low=0,
            high=1,
        ),
    )
    contrast: float = field(
        default=0.0,
        metadata=setting(
            "Contrast", "Changes the contrast by up to this share.", AUGMENTATION, low=0, high=1
        ),
    )
    gamma: float = field(
        default=0.0,
        metadata=setting(
            "Gamma (log factor)",
            "Applies a gamma of up to exp(± this).",
            AUGMENTATION,
            low=0,
            high=1,
        ),
    )
    low_resolution: float = field(
        default=0.0,
        metadata=setting(
            "Low resolution probability",
            "Probability that a film is downsampled by up to 3 and enlarged again, so that sharpness is no cue.",
            AUGMENTATION,
            low=0,
            high=1,
        ),
    )
    jpeg: float = field(
        default=0.0,
        metadata=setting(
            "JPEG probability",
            "Probability that a film is stored as a JPEG of quality 40 to 95, after downsampling if there is any, so "
            "that the blocks of small JPEG files are no cue.",
            AUGMENTATION,
            low=0,
            high=1,
        ),
    )
    flip: float = field(
        default=0.0,
        metadata=setting(
            "Horizontal flip probability",
            "Probability of a horizontal flip, which moves the heart to the right and teaches a false anatomy.",
            AUGMENTATION,
            low=0,
            high=1,
        ),
    )
    border: float = field(
        default=0.0,
        metadata=setting(
            "Border width (share of the side)",
            "Adds a border of one grey value, up to this wide on each side, to half of the films.",
            AUGMENTATION,
            low=0,
            high=1,
        ),
    )
    corner: float = field(
        default=0.0,
        metadata=setting(
            "Corner marker probability",
            "Probability of an inverted box in a corner, as side markers and burnt-in letters are.",
            AUGMENTATION,
            low=0,
            high=1,
        ),
    )

    def __post_init__(self) -> None:
        require_valid(self, name="augmentation")

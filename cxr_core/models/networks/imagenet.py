"""Checks that ImageNet weights of a backbone exist and can be had, within seconds, before timm asks its hub.

When the hub is out of reach, timm tries it twelve times with growing pauses: 48 s measured without a network.
"""

import difflib

from cxr_core.models.networks import torchvision_compat

torchvision_compat.declare_missing_operators()

with torchvision_compat.without_compiler():
    import timm  # needs torchvision's operators declared
from huggingface_hub import get_session, hf_hub_url, try_to_load_from_cache  # noqa: E402
from huggingface_hub.errors import HTTPError  # noqa: E402
from timm.models import get_pretrained_cfg  # noqa: E402

from cxr_core.errors import PretrainedUnavailable  # noqa: E402

HUB_ERRORS = (HTTPError, OSError)
HUB_TIMEOUT_S = 5.0
WEIGHTS_FILE = "model.safetensors"
ALTERNATIVES = (
    "Start from random weights (init=scratch) or a local safetensors file in timm's naming (init=FILE), or choose "
    "another backbone (backbone=NAME)."
)


def require_imagenet_weights(backbone: str) -> None:
    """Check that timm's ImageNet weights of a backbone are on this machine or that their hub answers.

    Raises PretrainedUnavailable, which names the backbone and the alternatives.
    """
    config = get_pretrained_cfg(backbone)
    if config is None or not config.has_weights:
        similar = ", ".join(_find_similar_backbones(backbone))
        raise PretrainedUnavailable(
            f"timm has no ImageNet weights of {backbone}; it has them of {similar} and others. {ALTERNATIVES}"
        )
    if not config.hf_hub_id:
        return
    if not isinstance(try_to_load_from_cache(config.hf_hub_id, WEIGHTS_FILE), str):
        _require_hub(backbone, hf_hub_url(config.hf_hub_id, WEIGHTS_FILE))


def _require_hub(backbone: str, url: str) -> None:
    try:
        get_session().head(url, timeout=HUB_TIMEOUT_S)
    except HUB_ERRORS as error:
        raise PretrainedUnavailable(
            f"the ImageNet weights of {backbone} are not on this machine, and timm's hub is out of reach. "
            f"{ALTERNATIVES}"
        ) from error


def _find_similar_backbones(backbone: str) -> list[str]:
    """Backbones with weights: of the same family and suffix first, larger ones before smaller."""
    names = sorted({name.partition(".")[0] for name in timm.list_pretrained()})
    family = backbone.rpartition("_")[0]
    plain = [name for name in names if name.rpartition("_")[0] == family and _has_depth(name)]
    plain.sort(key=_depth_of, reverse=True)
    return (plain or difflib.get_close_matches(backbone, names, cutoff=0.3))[:3]


def _has_depth(name: str) -> bool:
    return name.rpartition("_")[2].isdigit()


def _depth_of(name: str) -> int:
    return int(name.rpartition("_")[2])

"""Checks that ImageNet weights of a backbone exist and can be had, within seconds, before timm asks its hub.

When the hub is out of reach, timm tries it twelve times with growing pauses: 48 s measured without a network.
"""

import difflib
from collections.abc import Iterable

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
    url = _find_url(backbone)
    if url is None:
        return
    try:
        get_session().head(url, timeout=HUB_TIMEOUT_S)
    except HUB_ERRORS as error:
        raise PretrainedUnavailable(_explain_unreachable(backbone)) from error


def find_missing_weights(backbones: Iterable[str]) -> dict[str, str]:
    """For each backbone whose ImageNet weights cannot be had now, the sentence of `require_imagenet_weights`.

    A hub that is out of reach is asked once.
    """
    missing: dict[str, str] = {}
    is_hub_away = False
    for backbone in dict.fromkeys(backbones):
        try:
            if not is_hub_away:
                require_imagenet_weights(backbone)
            elif _find_url(backbone) is not None:
                missing[backbone] = _explain_unreachable(backbone)
        except PretrainedUnavailable as error:
            missing[backbone] = str(error)
            is_hub_away = str(error) == _explain_unreachable(backbone)
    return missing


def _find_url(backbone: str) -> str | None:
    """Where the hub keeps the weights; None when they are on this machine. Raises PretrainedUnavailable for none."""
    config = get_pretrained_cfg(backbone)
    if config is None or not config.has_weights:
        similar = ", ".join(_find_similar_backbones(backbone))
        raise PretrainedUnavailable(
            f"timm has no ImageNet weights of {backbone}; it has them of {similar} and others. {ALTERNATIVES}"
        )
    if not config.hf_hub_id:
        return None
    if isinstance(try_to_load_from_cache(config.hf_hub_id, WEIGHTS_FILE), str):
        return None
    return hf_hub_url(config.hf_hub_id, WEIGHTS_FILE)


def _explain_unreachable(backbone: str) -> str:
    return (
        f"the ImageNet weights of {backbone} are not on this machine, and timm's hub is out of reach. "
        f"{ALTERNATIVES}"
    )


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

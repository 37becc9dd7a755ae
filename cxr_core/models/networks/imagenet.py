"""Are there ImageNet weights of a backbone, and can they be had? Answered in seconds, before timm asks its hub.

timm's hub is asked twelve times over with growing pauses when it is out of reach: 48 s measured without a network.
"""

import difflib

from cxr_core.models.networks import torchvision_compat

torchvision_compat.declare_missing_operators()

import timm  # noqa: E402  (needs torchvision's operators declared)
from huggingface_hub import hf_hub_url, try_to_load_from_cache  # noqa: E402
from huggingface_hub.errors import HTTPError  # noqa: E402
from huggingface_hub.utils import get_session  # noqa: E402
from timm.models import get_pretrained_cfg  # noqa: E402

from cxr_core.errors import PretrainedUnavailable  # noqa: E402

HUB_ERRORS = (HTTPError, OSError)
HUB_TIMEOUT_S = 5.0
WEIGHTS_FILE = "model.safetensors"
WAYS_ON = (
    "Start from random weights (--init scratch) or a local safetensors file in timm's naming (--init FILE), "
    "or choose another backbone (--set backbone=NAME)."
)


def require_weights(backbone: str) -> None:
    """Nothing when timm's ImageNet weights of a backbone are at hand or their hub answers.

    Raises PretrainedUnavailable, which names the backbone and the ways on.
    """
    known = get_pretrained_cfg(backbone)
    if known is None or not known.has_weights:
        near = ", ".join(_near(backbone))
        raise PretrainedUnavailable(
            f"timm has no ImageNet weights of {backbone}; it has them of {near} and others. {WAYS_ON}"
        )
    if known.hf_hub_id and not isinstance(
        try_to_load_from_cache(known.hf_hub_id, WEIGHTS_FILE), str
    ):
        _reach(backbone, hf_hub_url(known.hf_hub_id, WEIGHTS_FILE))


def _reach(backbone: str, url: str) -> None:
    try:
        get_session().head(url, timeout=HUB_TIMEOUT_S)
    except HUB_ERRORS as error:
        raise PretrainedUnavailable(
            f"the ImageNet weights of {backbone} are not on this machine, and timm's hub is out of reach. {WAYS_ON}"
        ) from error


def _near(backbone: str) -> list[str]:
    """Backbones with weights: of the same family and suffix first, larger ones before smaller."""
    names = sorted({name.partition(".")[0] for name in timm.list_pretrained()})
    family = [name for name in names if name.rpartition("_")[0] == backbone.rpartition("_")[0]]
    plain = sorted(
        (name for name in family if name.rpartition("_")[2].isdigit()), key=_depth, reverse=True
    )
    return (plain or difflib.get_close_matches(backbone, names, cutoff=0.3))[:3]


def _depth(name: str) -> int:
    return int(name.rpartition("_")[2])

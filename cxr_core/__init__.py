"""Reads chest X-rays: from the bytes of a film to calibrated findings, heatmaps and the measured heart.

The names below are the public surface, described in docs/python.md. They are loaded when they are first used, so that
importing one small module of the package does not import torch.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cxr_core.errors import SilhouetteError
    from cxr_core.reading.interpret import interpret
    from cxr_core.reading.patient import Patient
    from cxr_core.reading.reader import Reader
    from cxr_core.site.profile_store import load_profile as load_site_profile

__all__ = ["Patient", "Reader", "SilhouetteError", "interpret", "load_site_profile"]

# Public name -> the module that defines it, and its name there.
_HOMES = {
    "Patient": ("cxr_core.reading.patient", "Patient"),
    "Reader": ("cxr_core.reading.reader", "Reader"),
    "SilhouetteError": ("cxr_core.errors", "SilhouetteError"),
    "interpret": ("cxr_core.reading.interpret", "interpret"),
    "load_site_profile": ("cxr_core.site.profile_store", "load_profile"),
}


def __getattr__(name: str) -> object:
    """The public name, from the module that defines it. Raises AttributeError for any other name."""
    if name not in _HOMES:
        raise AttributeError(f"module 'cxr_core' has no attribute {name!r}")
    module, name_there = _HOMES[name]
    return getattr(importlib.import_module(module), name_there)

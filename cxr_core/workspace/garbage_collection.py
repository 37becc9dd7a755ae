"""Keeps Python's garbage collection away from libraries and models that are loaded once and stay."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def load_for_good() -> Iterator[None]:
    """Collect no garbage during the block, and never look at what is alive at its end: before any film is there.

    torch and timm come with half a million objects. Walking through them takes a tenth of the time of loading, and half
    a second as the process ends. Concerns the whole process.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()

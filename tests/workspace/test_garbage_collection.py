"""What is loaded for good is never looked at by the garbage collector; what came later still is."""

import gc
import weakref

from cxr_core.workspace.garbage_collection import load_for_good


class Ring:
    """An object that only the garbage collector can free."""

    def __init__(self) -> None:
        self.myself = self


def test_nothing_is_collected_while_loading_and_what_is_loaded_is_exempt():
    exempt = gc.get_freeze_count()
    try:
        with load_for_good():
            assert not gc.isenabled()
            loaded = weakref.ref(Ring())
        assert gc.isenabled()
        assert gc.get_freeze_count() > exempt
        later = weakref.ref(Ring())
        gc.collect()
        assert loaded() is not None
        assert later() is None
    finally:
        gc.unfreeze()


def test_collection_that_was_off_stays_off():
    gc.disable()
    try:
        with load_for_good():
            pass
        assert not gc.isenabled()
    finally:
        gc.unfreeze()
        gc.enable()

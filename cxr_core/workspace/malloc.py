"""What becomes of freed memory: kept for later arrays, overwritten, or returned to the system.

Getting pages back takes a tenth of the time of decoding a film, and a third of the time of a training step on a CPU.
Overwriting costs about a seventh of the processor time of reading a film.
"""

import ctypes
import gc
import math
import os
import sys
import threading
import time
from collections.abc import Callable

# Parameters of mallopt(3) in the GNU C library: above which amount free memory is returned, and how many blocks are
# allocated by mmap; the byte that freed memory is filled with; from how many places threads take their memory.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_PERTURB, M_ARENA_MAX = -1, -4, -6, -8
FILL = 0xFF
# Python's own allocator serves objects of up to 512 bytes, in steps of 16. This much of each size fills what is free;
# with 5,000 objects of each, a patient's name stayed once in twenty times.
LARGEST_OBJECT, OBJECT_STEP, BYTES_OF_A_SIZE = 512, 16, 4 << 20
# Each thread of the GNU C library keeps up to seven freed blocks of a size, and leaves their contents as they are.
LARGEST_KEPT_BLOCK, BLOCK_STEP, BLOCKS_OF_A_SIZE = 1032, 16, 7
NEVER = -1
ERASE_AFTER_S = 4.0
ERASE_APART_S = 12.0  # between the starts of two erasures, of which each stops every thread
ERASE_AGAIN_AFTER_S = 6.0  # for what a session that was ending still held the first time

_lock = threading.Lock()
_erasing: threading.Timer | None = None
_erasing_again: threading.Timer | None = None
_erased_at = -math.inf  # on the monotonic clock
_run_in_server: Callable[[Callable[[], None]], object] | None = None


def keep_freed_memory() -> bool:
    """Make malloc keep freed memory in this process. False where malloc is not the GNU C library's.

    Threads share a few places for it, or each would keep memory of its own: a third more in the server.
    """
    options = {
        M_ARENA_MAX: (os.cpu_count() or 1) + 1,
        M_MMAP_MAX: 0,
        M_TRIM_THRESHOLD: NEVER,
    }
    # Another C library: everything works there, only slower.
    return all(_set_option(option, value) for option, value in options.items())


def overwrite_freed_memory() -> bool:
    """Make malloc overwrite what is freed in this process, so that no film stays there. False with another C library.

    What Python keeps for small objects of its own is not malloc's, and what a thread keeps of small blocks malloc does
    not overwrite: see `erase_freed_memory`.
    """
    return _set_option(M_PERTURB, FILL)


def erase_in_server_too(run: Callable[[Callable[[], None]], object] | None) -> None:
    """Have `erase_freed_memory` also erase what the server's own thread keeps of small blocks.

    run: calls a function in that thread, soon; None once the server has ended.
    """
    global _run_in_server
    _run_in_server = run


def erase_soon() -> None:
    """Erase freed memory after ERASE_AFTER_S, once for all who ask meanwhile, and once more ERASE_AGAIN_AFTER_S later.

    Each time stops every thread for 0.3 s, so where memory is freed all the time there are ERASE_APART_S between two,
    and the next one for those who have asked since stands for the second one.
    """
    global _erasing
    with _lock:
        if _erasing is None:
            due_s = _erased_at + ERASE_APART_S - time.monotonic()
            _erasing = _start_timer(max(ERASE_AFTER_S, due_s), _erase_for_all)


def _erase_for_all() -> None:
    global _erasing, _erasing_again, _erased_at
    with _lock:
        _erasing = None  # who asks from now on is not served by this one
        _erased_at = time.monotonic()
        if _erasing_again is not None:
            _erasing_again.cancel()
        _erasing_again = _start_timer(ERASE_AGAIN_AFTER_S, _erase_again)
    erase_freed_memory()


def _erase_again() -> None:
    with _lock:
        if _erasing is not None:
            return  # which is due within ERASE_APART_S of the last one
    erase_freed_memory()


def _start_timer(seconds: float, function: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, function)
    timer.daemon = True
    timer.start()
    return timer


def erase_freed_memory() -> None:
    """Free what nothing refers to, overwrite it, and return it to the system, so that nothing of a film stays.

    Takes 0.4 s once the libraries are loaded; in a quarter of them other threads take turns with it. Objects exempt
    from garbage collection are looked at too, for a film's session may be among them.
    """
    is_exempt = gc.get_freeze_count() > 0
    gc.unfreeze()
    gc.collect()
    if is_exempt:
        gc.freeze()
    _overwrite_freed_objects()
    if _run_in_server is not None:
        _run_in_server(overwrite_kept_blocks)
    release_freed_memory()


def overwrite_kept_blocks() -> None:
    """Overwrite the freed blocks that the calling thread keeps. Does nothing with another C library.

    A thread's end returns its blocks, so only threads that stay need it.
    """
    try:
        library = ctypes.CDLL(None)
        allocate, free = library.malloc, library.free
    except (AttributeError, OSError, TypeError):
        return
    allocate.restype, allocate.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    free.restype, free.argtypes = None, [ctypes.c_void_p]
    for size in range(BLOCK_STEP + 8, LARGEST_KEPT_BLOCK + 1, BLOCK_STEP):
        blocks = [allocate(size) for _ in range(BLOCKS_OF_A_SIZE)]
        for block in blocks:
            if block:
                ctypes.memset(block, FILL, size)
                free(block)


def _overwrite_freed_objects() -> None:
    """Use the memory of freed small objects again, such as names: Python keeps it for objects of the same size."""
    empty = sys.getsizeof(b"")
    for size in range(OBJECT_STEP, LARGEST_OBJECT + 1, OBJECT_STEP):
        if size > empty:
            _ = [bytes(size - empty) for _ in range(BYTES_OF_A_SIZE // size)]


def release_freed_memory() -> None:
    """Return freed pages to the system; the GNU C library by itself keeps many. Does nothing with another C library."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return
    trim(0)


def _set_option(option: int, value: int) -> bool:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(mallopt(option, value))

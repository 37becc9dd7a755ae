"""Large arrays kept by the program between uses, instead of being handed back to the kernel after each.

Fetching their pages anew takes a tenth of a film's decoding, and a third of a training step on a CPU.
"""

import ctypes

# malloc.h of the GNU C library: how much free memory is given back, and how many blocks are the kernel's own.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
NEVER = -1


def keep_freed_memory() -> bool:
    """Let malloc keep what is freed, from now on, in this process. False where malloc is not the GNU C library's."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library; everything works there, only slower
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, NEVER))

"""How the threads that compute a network wait for one another."""

import os


def let_idle_threads_sleep() -> None:
    """Make threads of a network that wait give up their core, unless the environment says otherwise.

    Before torch is imported, and for child processes too. By default they spin for milliseconds at the end of every
    layer; where another program wants the core, the others then wait for the one that spins, and a film takes ten times
    as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

"""What every command does around its work: any text can be written, and an error becomes a sentence and a status.

A command whose output nobody reads any more, as before `| head`, ends quietly.
"""

import os
import select
import sys
from collections.abc import Callable
from functools import wraps

from cxr_core.errors import RecipeError, SilhouetteError
from cxr_core.workspace.terminal import accept_any_text, discard_output

Main = Callable[[list[str] | None], int | None]
REFUSED = 3


def command(name: str, wrong_recipe: int = REFUSED) -> Callable[[Main], Callable[..., int]]:
    """Decorator of a command's `main`, which returns its exit status; None is 0.

    name: what its errors begin with.  wrong_recipe: the status for a recipe that cannot be used; other errors have 3.
    """

    def wrap(main: Main) -> Callable[..., int]:
        @wraps(main)
        def run(arguments: list[str] | None = None) -> int:
            accept_any_text()
            try:
                status = main(arguments) or 0
                sys.stdout.flush()
                return status
            except BrokenPipeError:
                if not _is_output_unread():
                    raise
                discard_output()
                return 0
            except SilhouetteError as error:
                print(f"{name}: {error}", file=sys.stderr)
                return wrong_recipe if isinstance(error, RecipeError) else REFUSED

        return run

    return wrap


def _is_output_unread() -> bool:
    """Whether the program after the pipe has ended; the pipe to another process may have broken instead."""
    if os.name != "posix":
        return False
    output = select.poll()
    output.register(sys.stdout, 0)  # for errors alone, of which it always tells
    return bool(output.poll(0))

"""Who is acting, and what that role may do.

A command in a shell acts as LOCAL, who may do everything: whoever has a shell on this account can change its files
anyway. A server with sign-in names the person of each page and the program of each request (see `use_actors_of`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """What somebody may do; a higher role may do what the lower ones may."""

    NONE = 0  # signed in, but without a role of this program
    READER = 1  # read films, save reports
    RESEARCHER = 2  # prepare data, train, evaluate
    ADMIN = (
        3  # change what reads films: publish, activate, roll back, delete; site profiles, API keys
    )

    @property
    def word(self) -> str:
        """The role as people and the audit log write it: `reader`."""
        return self.name.lower()


@dataclass(frozen=True)
class Actor:
    """A person, a program or this computer's own shell. name: of a person the identity provider's subject."""

    name: str
    role: Role


LOCAL = Actor("local", Role.ADMIN)
NOBODY = Actor("nobody", Role.NONE)

_acting: ContextVar[Actor | None] = ContextVar("actor", default=None)
_find_actor: Callable[[], Actor] = lambda: LOCAL  # noqa: E731


def use_actors_of(find: Callable[[], Actor]) -> None:
    """Ask `find` who acts, in this process, wherever `acting_as` does not say. Called as a server starts."""
    global _find_actor
    _find_actor = find


def current_actor() -> Actor:
    """Who is acting now."""
    return _acting.get() or _find_actor()


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Within the block, and in no other thread, this actor acts."""
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)

"""What a browser tab holds on the Train page: the form being filled in, the runs looked at, and what was last read."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:  # a recipe brings torch with it, which a list of runs does without
    from cxr_core.training.recipe.recipe import Recipe

RUNS, START = "Runs", "Start a run"
WATCHED_KEPT = 12


@dataclass(kw_only=True, eq=False)
class Draft:
    """A run that is about to be asked for. However often it is submitted, its token makes one run of it."""

    token: str = field(default_factory=lambda: uuid4().hex)
    turns: int = 0  # part of the keys of widgets: with another they start from what is said here
    name: str | None = (
        None  # of the recipe it begins from; None before the first, and for that of a run
    )
    recipe: "Recipe | None" = None
    values: dict[str, Any] = field(default_factory=dict)  # by field, as entered
    data: tuple[str, ...] | None = None  # None before anything was chosen
    device: str | None = None
    processes: int = 1
    beginning: str | None = None  # where the weights come from; None: as the recipe says
    retry_of: str = ""
    estimated: str = ""  # what the last estimate was asked for

    def begin(self, name: str | None, recipe: "Recipe") -> None:
        """Start from another recipe: what was entered before goes, the data stays."""
        self.name, self.recipe, self.values, self.beginning = name, recipe, {}, None
        self.turns += 1

    def widget(self, name: str) -> str:
        """The key of one of the form's widgets; a click on one of an earlier form is not one on this."""
        return f"draft-{self.token[:8]}-{self.turns}-{name}"

    def lasting(self, name: str) -> str:
        """The key of a widget that another recipe does not change."""
        return f"draft-{self.token[:8]}-{name}"


@dataclass(kw_only=True, eq=False)
class Desk:
    """What a tab looks at on the Train page."""

    draft: Draft = field(default_factory=Draft)
    view: str = RUNS
    turns: int = 0
    runs: tuple[str, ...] = ()  # looked at: one closely, several side by side
    address: str = ""  # the runs that the address named when it was last read or written
    listed: tuple[str, ...] = ()  # the runs in the table, by row
    watched: "dict[str, Watched]" = field(default_factory=dict)
    said: str = ""  # to be told once, after the page has run again
    refused: str = ""  # why the last thing asked for was not done, to be told once

    def turn_to(self, view: str) -> None:
        """Show the other part of the page."""
        self.view = view
        self.turns += 1

    def look_at(self, runs: tuple[str, ...]) -> None:
        """Look at these runs."""
        self.runs = runs

    def begun(self, run: str, said: str) -> None:
        """A run was asked for: look at it, with an empty form for the next."""
        device, data = self.draft.device, self.draft.data
        self.draft = Draft(device=device, data=data)
        self.said = said
        self.look_at((run,))
        self.turn_to(RUNS)

    def retry(self, run: str, recipe: "Recipe", data: tuple[str, ...]) -> None:
        """Fill the form in with what a run was, to be changed."""
        self.draft = Draft(recipe=recipe, data=data, retry_of=run)
        self.turn_to(START)

    def keep(self, run: str, watched: "Watched") -> "Watched":
        """Hold what was last read of a run, so that only what is new is read the next time."""
        self.watched.pop(run, None)
        self.watched[run] = watched
        while len(self.watched) > WATCHED_KEPT:
            self.watched.pop(next(iter(self.watched)))
        return watched

    def widget(self, name: str) -> str:
        """The key of a widget that follows what is said here."""
        return f"train-{name}-{self.turns}"

"""The subgroups that a new model must not make worse off: by sex, age band and view."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

AGES = ((0, 5), (6, 17), (18, 39), (40, 64), (65, None))  # whole years, both ends included


@dataclass(frozen=True)
class Group:
    """Films of one kind of patient or view. column: sex, view or age; what: the level, or first and last year."""

    name: str
    column: str
    what: str | tuple[int, int | None]

    def rows(self, table: pd.DataFrame) -> np.ndarray:
        """(N,) which films belong to it; those of which the column says nothing do not."""
        if isinstance(self.what, str):
            return (table[self.column] == self.what).to_numpy(bool)
        first, last = self.what
        age = table[self.column].to_numpy(np.float64)
        return (age >= first) & (age < (np.inf if last is None else last + 1))


GROUPS = (
    Group("women and girls", "sex", "F"),
    Group("men and boys", "sex", "M"),
    Group("PA films", "view", "PA"),
    Group("AP films", "view", "AP"),
    *(
        Group(f"ages {first} to {last}" if last else f"ages {first} and over", "age", (first, last))
        for first, last in AGES
    ),
)


def groups_of(table: pd.DataFrame) -> list[Group]:
    """The groups of which the table has any film, but for one that is all of it: that is the comparison itself."""
    counts = {group: int(group.rows(table).sum()) for group in GROUPS}
    return [group for group, count in counts.items() if 0 < count < len(table)]

"""The subgroups that a new model must not make worse off: by sex, age band and view."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from cxr_core.data.age_bands import AGE_BANDS, AgeBand


@dataclass(frozen=True)
class Group:
    """Films of one kind of patient or view. column: sex, view or age; value: what the column holds, or an age band."""

    name: str
    column: str
    value: str | AgeBand

    def rows(self, table: pd.DataFrame) -> np.ndarray:
        """(N,) which films belong to it; those of which the column says nothing do not."""
        if isinstance(self.value, str):
            return (table[self.column] == self.value).to_numpy(bool)
        return self.value.contains(table[self.column].to_numpy(np.float64))


GROUPS = (
    Group("women and girls", "sex", "F"),
    Group("men and boys", "sex", "M"),
    Group("PA films", "view", "PA"),
    Group("AP films", "view", "AP"),
    *(Group(f"ages {band.in_words}", "age", band) for band in AGE_BANDS),
)


def groups_of(table: pd.DataFrame) -> list[Group]:
    """The groups of which the table has any film, but for one that is all of it: that is the comparison itself."""
    counts = {group: int(group.rows(table).sum()) for group in GROUPS}
    return [group for group, count in counts.items() if 0 < count < len(table)]

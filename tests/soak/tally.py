"""What has come of the cases of a soak program, as a table of counts."""

import sys
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """How often each outcome came, by (row, column) of the table, and what was violated."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def print(self, seconds: float) -> None:
        """The table, with sums."""
        total = self.outcomes.total()
        print(f"\n{total:,} cases in {seconds:.0f} s, {len(self.violations)} violations")
        rows = sorted({row for row, _ in self.outcomes})
        columns = sorted({column for _, column in self.outcomes})
        counts = [[self.outcomes[row, column] for column in columns] for row in rows]
        sums = [sum(column) for column in zip(*counts, strict=True)]
        _print_line("", [*columns, "all"])
        for row, cells in zip([*rows, "all"], [*counts, sums], strict=True):
            _print_line(row, [f"{count:,}" for count in (*cells, sum(cells))])
        sys.stdout.flush()


def _print_line(name: str, cells: list[str]) -> None:
    print(f"{name:34}" + "".join(f"{cell:>11}" for cell in cells))

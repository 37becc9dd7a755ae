"""Shortens the names of runs that stand beside each other in a chart's legend or a table's head."""

import re
from collections.abc import Sequence
from itertools import takewhile

SEPARATOR = re.compile(r"(?<=[-_ ])")  # a name is cut only after one of these


def shorten_names(names: Sequence[str], ids: Sequence[str]) -> tuple[str, ...]:
    """What distinguishes each run from the others, as short as whole words allow.

    names: as people gave them, empty for none; they are kept, and followed by what distinguishes the ids where several
    runs share one.  ids: all different; only what they have in common at both ends is left out.
    """
    short_ids = _cut_common_ends(ids)
    labels = []
    for name, short in zip(names, short_ids, strict=True):
        shared = name and list(names).count(name) > 1
        labels.append(f"{name} ({short})" if shared else name or short)
    return tuple(labels) if len(set(labels)) == len(labels) else tuple(ids)


def _cut_common_ends(ids: Sequence[str]) -> list[str]:
    words = [SEPARATOR.split(each) for each in ids]
    if len(words) < 2:
        return list(ids)
    start = _count_common(words)
    end = _count_common([each[start:][::-1] for each in words])
    cut = ["".join(each[start : len(each) - end]).strip("-_ ") for each in words]
    return cut if all(cut) and len(set(cut)) == len(cut) else list(ids)


def _count_common(rows: Sequence[Sequence[str]]) -> int:
    """How many words are the same in all rows, from their beginning."""
    return sum(1 for _ in takewhile(lambda words: len(set(words)) == 1, zip(*rows, strict=False)))

"""Reads the ratios of a split as a recipe gives them. Importing this module loads no pandas."""

import math

from cxr_core.errors import DataError


def parse_ratios(text: str) -> tuple[float, float, float]:
    """`80:08:12` -> (0.8, 0.08, 0.12). Raises DataError unless they are three numbers, train's above 0."""
    try:
        numbers = list(map(float, text.split(":")))
    except ValueError:
        numbers = []
    if (
        len(numbers) != 3
        or not all(map(math.isfinite, numbers))
        or min(numbers) < 0
        or not numbers[0]
    ):
        raise DataError(
            f"{text!r} are no ratios; give train:val:test as three numbers, such as 80:08:12"
        )
    train, val, test = (number / sum(numbers) for number in numbers)
    return train, val, test

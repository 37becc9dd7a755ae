"""Millimetres that no chest film can have are found, those of detectors and of children are not."""

import pytest

from cxr_core.film.spacing import is_plausible_chest, is_plausible_film

ADULT, CHILD, NEWBORN = 58.0, 4.0, 0.01


@pytest.mark.parametrize(
    ("width_mm", "age", "plausible"),
    [
        (430, ADULT, True),
        (350, ADULT, True),
        (240, ADULT, True),
        (200, ADULT, False),
        (900, ADULT, False),
        (200, CHILD, True),
        (200, None, True),
        (100, NEWBORN, True),
        (900, CHILD, False),
        (900, None, False),
        (30, None, False),
    ],
)
def test_films(width_mm: float, age: float | None, plausible: bool) -> None:
    spacing = (width_mm / 512, width_mm / 512)
    assert is_plausible_film((580, 512), spacing, age) is plausible


def test_both_sides_of_a_film_count() -> None:
    assert is_plausible_film((1000, 1000), (0.4, 0.3), ADULT)
    assert not is_plausible_film((1000, 1000), (0.6, 0.3), ADULT)
    assert not is_plausible_film((1000, 1000), (0.05, 0.3), None)


@pytest.mark.parametrize(
    ("width_mm", "age", "plausible"),
    [
        (290, ADULT, True),
        (225, ADULT, True),
        (380, ADULT, True),
        (200, ADULT, False),
        (500, ADULT, False),
        (200, None, False),
        (150, CHILD, True),
        (50, NEWBORN, True),
        (500, CHILD, False),
    ],
)
def test_chests(width_mm: float, age: float | None, plausible: bool) -> None:
    assert is_plausible_chest(width_mm, age) is plausible

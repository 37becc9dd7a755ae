"""What a person puts right on a film before it is read: swapped grey values, a turn, a mirror image."""

from dataclasses import dataclass, replace

import numpy as np

from cxr_core.errors import SettingsError
from cxr_core.film.radiograph import Radiograph
from cxr_core.workspace.json_files import JsonObject


@dataclass(frozen=True)
class Adjustments:
    """Changes to a film as its file shows it: inverted, then turned, then mirrored left to right.

    quarter_turns: clockwise, 0 to 3.
    """

    inverted: bool = False
    quarter_turns: int = 0
    mirrored: bool = False

    def __post_init__(self) -> None:
        if self.quarter_turns not in range(4):
            raise SettingsError(f"a film is turned by 0 to 3 quarters, not {self.quarter_turns}")

    def __bool__(self) -> bool:
        """Whether anything is changed."""
        return self != UNCHANGED

    def then_invert(self) -> "Adjustments":
        """These changes, and dark and bright swapped once more."""
        return replace(self, inverted=not self.inverted)

    def then_rotate(self) -> "Adjustments":
        """These changes, and a turn by 90° clockwise of the film as it then lies."""
        # A turn after a mirror is the opposite turn before it.
        step = -1 if self.mirrored else 1
        return replace(self, quarter_turns=(self.quarter_turns + step) % 4)

    def then_mirror(self) -> "Adjustments":
        """These changes, and left and right of the film as it then lies exchanged."""
        return replace(self, mirrored=not self.mirrored)

    def describe(self) -> tuple[str, ...]:
        """What was changed, one phrase for each change, in the order in which they apply."""
        changes = []
        if self.inverted:
            changes.append("Greyscale inverted")
        if self.quarter_turns:
            changes.append(f"Turned by {90 * self.quarter_turns}° clockwise")
        if self.mirrored:
            changes.append("Mirrored left to right")
        return tuple(changes)

    def to_json(self) -> JsonObject:
        """The changes as a JSON object."""
        return {
            "inverted": self.inverted,
            "quarter_turns": self.quarter_turns,
            "mirrored": self.mirrored,
        }


UNCHANGED = Adjustments()


def adjust_film(film: Radiograph, adjustments: Adjustments) -> Radiograph:
    """The film with these changes; what its file states of it is kept, and its spacing follows the pixels."""
    if not adjustments:
        return film
    pixels = np.float32(1) - film.pixels if adjustments.inverted else film.pixels
    pixels = np.rot90(pixels, -adjustments.quarter_turns)
    if adjustments.mirrored:
        pixels = pixels[:, ::-1]
    spacing = film.spacing_mm
    if spacing is not None and adjustments.quarter_turns % 2:
        spacing = (spacing[1], spacing[0])
    return replace(film, pixels=np.ascontiguousarray(pixels), spacing_mm=spacing)

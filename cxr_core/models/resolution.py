"""How far a model's answers move when the same film comes in another size or file format, as a card records it."""

from dataclasses import dataclass

from cxr_core.presentation.wording import format_count
from cxr_core.workspace.json_record import Count, Fraction, JsonRecord

MAX_MOVEMENT = 0.5  # in log-odds, between any two copies of a film
MAX_SHARE_OUTSIDE = 0.05  # of films that may move more


@dataclass(frozen=True, kw_only=True)
class ResolutionFigures(JsonRecord):
    """How far the probability of one finding lies apart between copies of the same film, in log-odds.

    sample: which films these are.  films: how many were read.  outside: the share that moves by more than MAX_MOVEMENT.
    p95, worst: 95th percentile and greatest movement.  worst_copies: between which two copies that was.  refused: films
    of which a copy gets no number.
    """

    sample: str
    films: Count
    outside: Fraction
    p95: float
    worst: float
    worst_copies: tuple[str, str]
    refused: Count = 0

    @property
    def is_stable(self) -> bool:
        """Whether at most MAX_SHARE_OUTSIDE of the films move by more than MAX_MOVEMENT."""
        return self.outside <= MAX_SHARE_OUTSIDE

    def describe(self) -> str:
        """The figures in a sentence."""
        first, second = self.worst_copies
        refused = ""
        if self.refused:
            refused = f" Without a number in some copy: {format_count(self.refused, 'films')}."
        return (
            f"In copies of 64 to 1,024 px, as PNG and as JPEG of quality 75, {100 * self.outside:.0f} % of "
            f"{self.sample} move by more than {MAX_MOVEMENT:g} in log-odds (95 % by at most {self.p95:.2f}, the "
            f"worst by {self.worst:.2f}, between {first} and {second}).{refused}"
        )

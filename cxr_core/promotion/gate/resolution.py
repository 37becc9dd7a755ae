"""Checks that a classifier answers nearly the same when a film comes in another size or file format."""

from collections.abc import Mapping

from cxr_core.models.resolution import MAX_MOVEMENT, MAX_SHARE_OUTSIDE, ResolutionFigures
from cxr_core.promotion.gate.checks import Check, pass_or_fail

NAME = "resolution and file format"


def check_resolution(finding: str, figures: Mapping[str, ResolutionFigures]) -> Check:
    """The check of one finding. figures: by finding, of those that some film of the sample was read for.

    It closes the gate only by failing: without films there is nothing to be said.
    """
    measured = figures.get(finding)
    if measured is None:
        sentence = "There are no films to read in several sizes and file formats."
        return Check(
            name=NAME, finding=finding, status="not enough cases", sentence=sentence, needed=False
        )
    return Check(
        name=NAME,
        finding=finding,
        status=pass_or_fail(measured.is_stable),
        sentence=f"{measured.describe()} At most {100 * MAX_SHARE_OUTSIDE:.0f} % may.",
        figures={
            "movement": measured.to_json(),
            "limit": MAX_MOVEMENT,
            "share": MAX_SHARE_OUTSIDE,
        },
        needed=False,
    )

"""Says in a sentence how well a model's heatmaps point at the finding, from the figures that its card records."""

from cxr_core.errors import ModelError, RecordError
from cxr_core.models.card import ModelCard
from cxr_core.models.figures import Localisation, MeanFigure, recorded_localisation
from cxr_core.presentation.wording import finding_in_sentence, format_count

MAJORITY = 0.5  # of the boxes


def describe_heatmap(card: ModelCard, finding: str) -> str | None:
    """How often the heatmap's strongest point lay in boxes that readers drew, beside the middle of the image.

    None where the card records no such comparison. The figures are those of the pointing game without tolerance.
    Raises ModelError for a card whose figures are incomplete.
    """
    localisation = _load_localisation(card, finding)
    if localisation is None:
        return None
    pointing = localisation.pointing[0]
    shares = (
        f"on {format_count(localisation.films, 'films')} where a reader drew a box around "
        f"{finding_in_sentence(finding)}, the map's strongest point lay in it on "
        f"{_format_share(pointing.hit)}, the middle of the image on {_format_share(pointing.centre)}"
    )
    if _lies_above(pointing.minus_centre, 0):
        return f"This map points better than the middle of the image does: {shares}."
    if _points_elsewhere(localisation):
        return f"This map does not show where the finding is: {shares}. It shows what moved the probability."
    if _lies_above(pointing.hit, MAJORITY):
        inside = localisation.inside
        return (
            f"This map shows the region, not its borders: {shares}. Of its evidence {_format_share(inside.share)} lay "
            f"in the boxes, which cover {_format_share(inside.area)} of the image."
        )
    return f"It is undecided whether this map shows where the finding is: {shares}."


def points_elsewhere(card: ModelCard, finding: str) -> bool:
    """Whether the heatmap is known to miss the finding on most films, so that it is not shown by default.

    That is known when, by the 95 % intervals, it hits less than half of the boxes and fewer than the middle of the
    image does: where boxes are small, few hits may still be better than any fixed point.
    """
    localisation = _load_localisation(card, finding)
    return localisation is not None and _points_elsewhere(localisation)


def _load_localisation(card: ModelCard, finding: str) -> Localisation | None:
    try:
        return recorded_localisation(card.metrics, finding)
    except RecordError as error:
        raise ModelError(
            f"the card of {card.model} {card.version} has incomplete localisation figures ({error}); install it again"
        ) from error


def _points_elsewhere(localisation: Localisation) -> bool:
    pointing = localisation.pointing[0]
    return _lies_below(pointing.hit, MAJORITY) and _lies_below(pointing.minus_centre, 0)


def _lies_above(figure: MeanFigure, limit: float) -> bool:
    """Whether the whole interval does."""
    return figure.low is not None and figure.low > limit


def _lies_below(figure: MeanFigure, limit: float) -> bool:
    return figure.high is not None and figure.high < limit


def _format_share(figure: MeanFigure) -> str:
    """A share of films as a whole percentage; unlike a probability it may be 0 or 100."""
    return "an unknown share" if figure.value is None else f"{100 * figure.value:.0f} %"

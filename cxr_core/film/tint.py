"""Tells a film with a tint from a picture in colour, and finds coloured marks on a film.

A tint is a colour that follows from brightness: blue film base, sepia, the colour of a light box or of an export. Its
colours lie on one smooth curve. That curve is fitted, with a slow change over the picture for uneven light, and what
it leaves unexplained is measured. Measures are taken on cells of about 192 a side: averaging removes most of JPEG's
colour noise.

Limits were chosen on simulated tints of train films, kept as JPEG of quality 60 to 95, some with uneven light, noise,
frames and letters, and on about 30 colour photographs. Tints leave 0.004 to 0.02 unexplained and photographs 0.012 to
0.070; false-colour scales fit a curve too, but are stronger in colour, turn through many hues or have channels that
fall with brightness. On 400 other tints: read 99 %. Of the photographs none is read, of 420 cuttings of them 1 %; of
400 films in 16 false-colour scales that no tint resembles, none.
"""

from dataclasses import dataclass

import numpy as np

# ITU-R BT.601 luma, the weights that JPEG (JFIF) and DICOM's YBR_FULL (PS3.3 C.7.6.3.1.2) use for the same purpose.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)

# Mean spread of the colour channels. Grey films kept as JPEG or CMYK: below 0.005; colour photographs: 0.03 to 0.45.
COLOUR_ABOVE = 0.025

SMALLEST_SIDE = 64  # pixels; smaller pictures are not read, and have too few cells
CELLS_A_SIDE = 192
PIXELS_A_CELL = 4  # averaged in each direction
SMALLEST_CELL = 3  # pixels a side: of a smaller one the colour noise of JPEG remains
# Brightnesses between which the curve is a straight line. More would follow the noise.
KNOTS = np.linspace(0, 1, 13)
# A knot counts where at least this share of the cells is as bright.
USED_KNOT = 0.01
# Weight of the curve's bends, as a share of the cells, and of every coefficient.
STIFFNESS, SHRINKAGE = 5e-4, 1e-4
ROUNDS = 4  # of fitting without the cells that the round before did not explain

# Mean and 95th percentile of the colour that the curve leaves unexplained.
UNEXPLAINED_AT_MOST, UNEXPLAINED_TAIL_AT_MOST = 0.02, 0.055
UNEXPLAINED_SHARE_AT_MOST = 0.1  # of the squares of colour
FILM_AT_LEAST = 0.9  # share of the cells that are no letters, frame or mark
# The strongest colour of the curve. Deep blue exports: 0.47; magma: 0.62; hot: 0.84.
STRENGTH_AT_MOST = 0.5
# The turn of hue to either side, in degrees, where the colour is strong enough to have one. Tints: to 40; magma: 70.
HUE_TURN_AT_MOST, HUE_FROM = 50.0, 0.06
# Each channel of a tint rises with brightness, but where the film gives way to a white frame or white letters. Those
# of false-colour scales fall: viridis by 0.4, magma by 0.25.
FALL_AT_MOST, FALL_TO_WHITE_AT_MOST, WHITE_FROM = 0.02, 0.08, 0.7
UNEVENNESS_AT_MOST = (
    0.13  # colour that changes with the place: an uneven light box 0.08, photographs to 1
)
# Below this strength a film is grey, whatever is drawn on it.
TINT_FROM = 0.03

# A cell whose colour lies this far from the curve belongs to a mark.
MARK_ABOVE = 0.12
# Share of cells. An arrow on a film has 0.001 to 0.01.
MARKS_FROM, MARKS_AT_MOST = 0.0005, 0.01


@dataclass(frozen=True, kw_only=True)
class Tint:
    """What the colours of a picture are.

    tinted: one tint over a grey film.  scale: by which its luma is multiplied, so that its brightest grey becomes what
    its brightest channel is: 1 where there is no tint.  has_marks: coloured marks on a film that is grey or tinted.
    """

    tinted: bool = False
    scale: float = 1.0
    has_marks: bool = False

    @property
    def irregularities(self) -> tuple[str, ...]:
        """Codes of film/irregularities.py."""
        codes = {"tinted": self.tinted, "coloured_marks": self.has_marks}
        return tuple(code for code, holds in codes.items() if holds)


@dataclass(frozen=True, kw_only=True)
class ColourFit:
    """Colours as a function of brightness and place. Spread is max - min over the three channels.

    spread: (N,) of the cells' colours.  unexplained: (N,) of what the fit leaves.  foreign: (N,) the same, where paler
    colours of the same hue and grey are explained too, as those of letters are.  curve: (K, 3) colour less grey at the
    knots.  used: (K,) bool, whether cells are as bright as the knot.  uneven: (N,) of what changes with the place.
    """

    spread: np.ndarray
    unexplained: np.ndarray
    foreign: np.ndarray
    curve: np.ndarray
    used: np.ndarray
    uneven: np.ndarray


def measure_tint(samples: np.ndarray, top: float, alpha: np.ndarray | None, colour: float) -> Tint:
    """What the colours of a picture are.

    samples: (H, W, 3) RGB.  top: the sample that means 1.0.  alpha: (H, W) in [0, 1] or None.
    colour: mean of (max - min) over the channels.
    """
    if min(samples.shape[:2]) < SMALLEST_SIDE:
        return Tint()
    cells = average_cells(samples, top, alpha)
    if colour <= COLOUR_ABOVE:
        marks = float((_measure_spread(cells.reshape(-1, 3)) > MARK_ABOVE).mean())
        return Tint(has_marks=marks >= MARKS_FROM)
    fit = fit_colours(cells)
    marks = float((fit.foreign > MARK_ABOVE).mean())
    if marks > MARKS_AT_MOST or not _is_tint(fit):
        return Tint()
    if fit.curve[fit.used].size and _measure_spread(fit.curve[fit.used]).max() < TINT_FROM:
        return Tint(has_marks=marks >= MARKS_FROM)
    return Tint(tinted=True, scale=_find_scale(cells), has_marks=marks >= MARKS_FROM)


def average_cells(samples: np.ndarray, top: float, alpha: np.ndarray | None) -> np.ndarray:
    """A picture on at most CELLS_A_SIDE cells a side: (h, w, 3) float32 in [0, 1]. Few pixels of each cell are read."""
    height, width = samples.shape[:2]
    side = max(min(SMALLEST_CELL, height, width), -(-max(height, width) // CELLS_A_SIDE))
    rows, columns = max(1, height // side), max(1, width // side)
    steps = [place * side // PIXELS_A_CELL for place in range(PIXELS_A_CELL)]
    places = sorted({step for step in steps if step < min(height, width)})
    total = np.zeros((rows, columns, 3), np.float32)
    for down in places:
        for right in places:
            part = samples[down::side, right::side][:rows, :columns].astype(np.float32)
            if alpha is not None:
                part *= alpha[down::side, right::side][:rows, :columns, None]
            total += part
    return np.clip(total / np.float32(len(places) ** 2 * top), 0, 1)


def fit_colours(cells: np.ndarray) -> ColourFit:
    """Fit colour as a smooth curve over brightness plus a slow change over the picture; outliers are left out.

    cells: (h, w, 3) in [0, 1]. Least squares with a penalty on the curve's bends (Eilers and Marx 1996, P-splines of
    degree 1), repeated without the cells that do not fit.
    """
    brightness = (cells @ LUMA).ravel()
    colours = cells.reshape(-1, 3) - brightness[:, None]
    curve_part = _hat_functions(brightness)
    place_part = brightness[:, None] * _slow_functions(cells.shape[:2])
    terms = np.concatenate([curve_part, place_part], axis=1).astype(np.float64)
    penalty = _bend_penalty(terms.shape[1]) * STIFFNESS * len(terms)
    penalty += SHRINKAGE * np.eye(terms.shape[1])
    kept = np.ones(len(terms), bool)
    for _ in range(ROUNDS):
        inside = terms[kept]
        coefficients = np.linalg.solve(inside.T @ inside + penalty, inside.T @ colours[kept])
        fitted = terms @ coefficients
        unexplained = _measure_spread(colours - fitted)
        kept = unexplained <= max(MARK_ABOVE / 2, 4 * float(np.median(unexplained)))
    along = (colours * fitted).sum(axis=1) / np.maximum((fitted**2).sum(axis=1), 1e-12)
    paler = np.clip(along, 0, 1)[:, None] * fitted
    curve_terms = len(KNOTS)
    return ColourFit(
        spread=_measure_spread(colours),
        unexplained=unexplained,
        foreign=np.minimum(unexplained, _measure_spread(colours - paler)),
        curve=coefficients[:curve_terms],
        used=curve_part.mean(axis=0) >= USED_KNOT,
        uneven=_measure_spread(place_part @ coefficients[curve_terms:]),
    )


def _is_tint(fit: ColourFit) -> bool:
    """Whether one tint explains the colours: little is left, and the curve is one that a tint has."""
    film = fit.unexplained <= MARK_ABOVE  # without letters, frames and marks
    rest, spread = fit.unexplained[film], fit.spread[film]
    if film.mean() < FILM_AT_LEAST:
        return False
    if (
        rest.mean() > UNEXPLAINED_AT_MOST
        or np.percentile(rest, 95) > UNEXPLAINED_TAIL_AT_MOST
        or (rest**2).sum() > UNEXPLAINED_SHARE_AT_MOST * (spread**2).sum()
        or np.percentile(fit.uneven, 98) > UNEVENNESS_AT_MOST
    ):
        return False
    curve, brightness = fit.curve[fit.used], KNOTS[fit.used]
    if _measure_spread(curve).max() > STRENGTH_AT_MOST:
        return False
    channels = brightness[:, None] + curve
    fall = np.maximum.accumulate(channels, axis=0) - channels
    if (
        fall.max() > FALL_TO_WHITE_AT_MOST
        or fall[brightness < WHITE_FROM].max(initial=0) > FALL_AT_MOST
    ):
        return False
    return _hue_turn(curve) <= HUE_TURN_AT_MOST


def _hue_turn(curve: np.ndarray) -> float:
    """How far the hue turns from its mean, in degrees, where the colour is strong enough to have one."""
    strong = curve[_measure_spread(curve) > HUE_FROM]
    if len(strong) == 0:
        return 0.0
    red, green, blue = strong.T
    hue = np.exp(1j * np.arctan2(np.sqrt(3) / 2 * (green - blue), red - (green + blue) / 2))
    return float(np.degrees(np.abs(np.angle(hue / hue.sum())).max()))


def _find_scale(cells: np.ndarray) -> float:
    """Brightest channel over luma, where the tint is brightest. A white frame or white letters do not count."""
    colours = cells.reshape(-1, 3)
    tinted = colours[_measure_spread(colours) > TINT_FROM]
    brightness = tinted @ LUMA
    brightest = brightness >= np.percentile(brightness, 99)
    return float(tinted[brightest].max(axis=1).mean() / brightness[brightest].mean())


def _measure_spread(colours: np.ndarray) -> np.ndarray:
    """Max - min over the channels: (N,). colours: (N, 3)."""
    red, green, blue = colours.T
    highest = np.maximum(np.maximum(red, green), blue)
    spread: np.ndarray = highest - np.minimum(np.minimum(red, green), blue)
    return spread


def _hat_functions(brightness: np.ndarray) -> np.ndarray:
    """(N, K): weights of the two knots beside each brightness, for a curve that is straight between knots."""
    steps = len(KNOTS) - 1
    place = np.clip(brightness * steps, 0, steps - 1e-6)
    below = place.astype(np.intp)
    weights = np.zeros((len(brightness), len(KNOTS)), np.float32)
    index = np.arange(len(brightness))
    weights[index, below] = 1 - (place - below)
    weights[index, below + 1] = place - below
    return weights


def _slow_functions(shape: tuple[int, int]) -> np.ndarray:
    """(N, 5): polynomials of degree 1 and 2 over a picture of (h, w) cells, each with a mean near 0."""
    down = np.linspace(-0.5, 0.5, shape[0], dtype=np.float32)[:, None]
    right = np.linspace(-0.5, 0.5, shape[1], dtype=np.float32)[None, :]
    terms = [down, right, down * right, down**2 - 1 / 12, right**2 - 1 / 12]
    return np.stack([np.broadcast_to(term, shape).ravel() for term in terms], axis=1)


def _bend_penalty(terms: int) -> np.ndarray:
    """(terms, terms): the squares of the curve's second differences, of which the first terms are the knots."""
    bends = np.zeros((len(KNOTS) - 2, terms))
    for knot in range(len(KNOTS) - 2):
        bends[knot, knot : knot + 3] = 1, -2, 1
    penalty: np.ndarray = bends.T @ bends
    return penalty

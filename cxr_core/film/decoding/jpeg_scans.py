"""Tells whether the scans of a JPEG are complete, and whether the picture shows that one is damaged (ITU-T T.81)."""

from dataclasses import dataclass, field

import numpy as np

PROGRESSIVE = (0xC2, 0xCA)
COEFFICIENTS = 64

# A tear: units that must jump alike, of rows of many units and of few; the smallest jump, in 256ths; the smallest film.
ALIKE, ALIKE_OF_FEW = 0.85, 0.93
MANY_UNITS, FEWEST_UNITS = 24, 12
SMALLEST_JUMP = 3.0


@dataclass
class ScanCoverage:
    """What the scans hold (T.81 B.2.3, G.1.1.1).

    scans: for each component's identifier the number of scans that it is part of.
    missing_bits: for each identifier how many low bits each of its 64 coefficients still lacks; -1 for all of them.
    """

    scans: dict[int, int] = field(default_factory=dict)
    missing_bits: dict[int, list[int]] = field(default_factory=dict)

    def add(self, header: bytes) -> None:
        """Add one scan, by the body of its SOS segment (T.81 B.2.3); a header that is too short adds nothing."""
        count = header[0] if header else 0
        if len(header) < 4 + 2 * count:
            return
        first, last, approximation = header[1 + 2 * count : 4 + 2 * count]
        for identifier in header[1 : 1 + 2 * count : 2]:
            self.scans[identifier] = self.scans.get(identifier, 0) + 1
            missing = self.missing_bits.setdefault(identifier, [-1] * COEFFICIENTS)
            for coefficient in range(first, min(last, COEFFICIENTS - 1) + 1):
                missing[coefficient] = approximation & 15

    def is_complete(self, frame: int, identifiers: bytes) -> bool:
        """Whether every component has all that its frame needs. frame: the marker of the frame, such as 0xC0."""
        if frame in PROGRESSIVE:
            return all(self.missing_bits.get(name) == [0] * COEFFICIENTS for name in identifiers)
        return all(self.scans.get(name, 0) >= 1 for name in identifiers)


def is_torn(samples: np.ndarray, unit: tuple[int, int], levels: int = 256) -> bool:
    """Whether the brightness jumps where a damaged scan would make it jump.

    A scan codes the brightness of each unit as a difference to the one before, row by row. A wrong bit that the decoder
    does not notice makes all units after it brighter or darker, so that a step runs along the top edges of exactly one
    row's worth of units: from the damaged one to the right border, and in the next row from the left border up to it. A
    straight edge of the film itself begins at a border.

    samples: (H, W) or (H, W, C) unsigned.  unit: height and width of the minimum coded unit (T.81 A.2.4).
    levels: how many values a sample may have. Measured on 7,754 sound films as JPEG: 0 torn.
    """
    height, width = unit
    rows, columns = samples.shape[0] // height, samples.shape[1] // width
    if rows < FEWEST_UNITS or columns < FEWEST_UNITS:
        return False
    # In the order of the scan.
    jumps = _measure_jumps(samples, unit).ravel() * (256 / levels)
    alike = ALIKE if columns >= MANY_UNITS else ALIKE_OF_FEW
    up = np.cumsum(np.concatenate([[0], np.clip(jumps / SMALLEST_JUMP * 3, -1, 1)]))
    balance = np.abs(up[columns:] - up[:-columns]) / columns
    # A few tears give fewer places to look at than a few rows have; a striped picture gives no end of them.
    starts = np.flatnonzero(balance >= 2 * alike - 1)[: 4 * columns]
    return any(_is_tear(jumps, int(start), columns, alike) for start in starts)


def _measure_jumps(samples: np.ndarray, unit: tuple[int, int]) -> np.ndarray:
    """How far each unit begins away from where the one above it was going: (rows - 1, columns) float64."""
    height, width = unit
    rows, columns = samples.shape[0] // height, samples.shape[1] // width
    tops = range(height, rows * height, height)
    before, last, first, after = (
        _sum_channels(samples[tops.start + offset : tops.stop + offset : height, : columns * width])
        for offset in (-2, -1, 0, 1)
    )
    # first - last, less the mean of the steps before and after it.
    twice = 3 * (first - last) + before - after
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    jumps: np.ndarray = twice.reshape(rows - 1, columns, width).sum(axis=2, dtype=np.int32)
    return jumps / (2 * channels * width)


def _sum_channels(lines: np.ndarray) -> np.ndarray:
    """(rows, W) int32 from (rows, W) or (rows, W, C)."""
    if lines.ndim == 2:
        return lines.astype(np.int32)
    total: np.ndarray = lines.sum(axis=2, dtype=np.int32)
    return total


def _is_tear(jumps: np.ndarray, start: int, columns: int, alike: float) -> bool:
    """Whether a row's worth of units from `start` on jumps alike, and no whole row that it overlaps does so as well."""
    size, share = _measure_run(jumps, start, columns)
    if abs(size) < SMALLEST_JUMP or share < alike:
        return False
    for row in (start // columns, start // columns + 1):
        edge, edge_share = _measure_run(jumps, row * columns, columns)
        if edge * size > 0 and abs(edge) > abs(size) / 3 and edge_share > share - 0.05:
            return False
    return True


def _measure_run(jumps: np.ndarray, start: int, columns: int) -> tuple[float, float]:
    """The middle jump of a run of units, and the share of units that jump at least a third as far the same way."""
    run = jumps[start : start + columns]
    middle = float(np.median(run))
    return middle, float((run * np.sign(middle) > abs(middle) / 3).mean())

"""Tells whether the scans of a JPEG hold every coefficient of every component (ITU-T T.81, B.2.3 and G.1.1.1)."""

from dataclasses import dataclass, field

PROGRESSIVE = (0xC2, 0xCA)
COEFFICIENTS = 64


@dataclass
class ScanCoverage:
    """What the scans hold.

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

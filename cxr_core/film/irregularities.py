"""Lists what a decoder may have had to correct in a file, or could not trust: a code, and a sentence for people.

A decoder puts codes into `Radiograph.irregularities`; `quality.py` turns them into quality flags.
"""

from cxr_core.film.quality_flag import QualityFlag

IRREGULARITIES: dict[str, QualityFlag] = {
    flag.code: flag
    for flag in (
        QualityFlag(
            "lut_depth",
            "A grey table of this file has fewer bits than it says. It was scaled by the values that it reaches; "
            "compare the film with the one on your workstation.",
        ),
    )
}

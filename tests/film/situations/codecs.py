"""Situations: compressed and native pixels of DICOM."""

from tests.film.corpus import Situation
from tests.film.situations import codec_containers, codec_contradictions, codec_depths

HEADING = "Compressed and native pixels of DICOM"

SITUATIONS: tuple[Situation, ...] = (
    *codec_depths.SITUATIONS,
    *codec_contradictions.SITUATIONS,
    *codec_containers.SITUATIONS,
)

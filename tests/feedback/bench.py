"""A study in a workspace of a test: readers, a project, drawn films, and a registered dataset with labels."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from cxr_core.data.cache.worker import hash_pixels
from cxr_core.data.prepare import prepare_dataset
from cxr_core.data.registry import Dataset
from cxr_core.feedback.films import ProjectFilm, note_film
from cxr_core.feedback.projects import Project
from cxr_core.feedback.verdicts import (
    Answer,
    NewVerdict,
    ProgramAnswer,
    SavedVerdict,
    record_verdict,
)
from cxr_core.film.radiograph import Radiograph


def draw_film(number: int, bits: int = 8, **values: object) -> Radiograph:
    """A film of noise, another picture for each number."""
    rng = np.random.default_rng(number)
    top = 2 ** min(bits, 16) - 1
    scale = 255 if bits <= 8 else 65535
    pixels = np.rint(rng.random((40, 50)) * top).astype(np.float32) / np.float32(scale)
    return Radiograph(pixels=pixels.clip(0, 1), bits=bits, **values)  # type: ignore[arg-type]


def add_film(project: Project, number: int) -> ProjectFilm:
    """A film of a project without its pixels."""
    return note_film(project, draw_film(number), f"{number:064x}")


def judge(
    film: ProjectFilm, reader: str, answer: Answer, finding: str = "pneumonia", **values: object
) -> SavedVerdict:
    """One verdict. values: further fields of `NewVerdict`."""
    new = NewVerdict(film=film.id, reader=reader, finding=finding, answer=answer, **values)  # type: ignore[arg-type]
    return record_verdict(new)


def answer_of(probability: float) -> ProgramAnswer:
    """What a model says."""
    call = "present" if probability >= 0.5 else "absent"
    return ProgramAnswer(model="tiny", version="1.0.0", probability=probability, call=call)


def write_dataset(
    folder: Path, labels: list[float], name: str = "films", **columns: list[object]
) -> Dataset:
    """Register films of noise with these labels of pneumonia, as a user's folder with a table."""
    folder.mkdir(parents=True)
    for number in range(len(labels)):
        pixels = np.rint(draw_film(number).pixels * 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"f{number}.png"), pixels)
    table = pd.DataFrame(
        {
            "path": [f"f{number}.png" for number in range(len(labels))],
            "patient": [f"p{number}" for number in range(len(labels))],
            "pneumonia": labels,
            **columns,
        }
    )
    table.to_csv(folder / "labels.csv", index=False)
    return prepare_dataset([folder], name=name)


def hash_of(number: int) -> str:
    """The hash of a drawn film's pixels."""
    return hash_pixels(draw_film(number))

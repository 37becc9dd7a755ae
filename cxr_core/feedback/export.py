"""Writes a project of kept films as a folder that the Data page and `train.prepare` register as it is.

films/<hash>.png    the pixels          labels.csv      a row per film: path, patient, split, view, age, sex, labels
boxes.json          boxes as COCO       agreed upon by the readers, or adjudicated
"""

import csv
import io
import itertools
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_core.access.actor import Role
from cxr_core.access.permission import perform_action
from cxr_core.data.registry import list_datasets
from cxr_core.data.splits.holdout import hash_patient
from cxr_core.errors import DataError, FeedbackError, RecordError
from cxr_core.feedback.consensus import Judgement, list_judgements
from cxr_core.feedback.films import ProjectFilm, list_project_films
from cxr_core.feedback.layer import LABELS, list_drawn_boxes
from cxr_core.feedback.projects import Project
from cxr_core.known_findings import find_finding
from cxr_core.presentation.wording import finding_name
from cxr_core.workspace.atomic import atomic_folder
from cxr_core.workspace.json_files import JsonObject, read_bounded
from cxr_core.workspace.paths import workspace

LABELS_FILE, BOXES_FILE, FILMS_FOLDER = "labels.csv", "boxes.json", "films"


@dataclass(frozen=True, kw_only=True)
class ExportedProject:
    """What an export writes. films: whose pictures it copies.  table, boxes: the texts of its two files."""

    films: tuple[ProjectFilm, ...]
    table: str
    boxes: str

    def lies_in(self, folder: Path) -> bool:
        """Whether a folder holds this very export."""
        try:
            texts = [read_bounded(folder / name) for name in (LABELS_FILE, BOXES_FILE)]
        except (OSError, RecordError):
            return False
        pictures = (folder / FILMS_FOLDER / film.picture.name for film in self.films)
        return texts == [self.table.encode(), self.boxes.encode()] and all(
            picture.is_file() for picture in pictures
        )

    def write(self, out: Path) -> None:
        """Write it into a new folder. Raises FeedbackError for one that exists, and when it cannot be written."""
        try:
            with atomic_folder(out) as draft:
                (draft / FILMS_FOLDER).mkdir()
                for film in self.films:
                    shutil.copyfile(film.picture, draft / FILMS_FOLDER / film.picture.name)
                (draft / LABELS_FILE).write_text(self.table, encoding="utf-8", newline="")
                (draft / BOXES_FILE).write_text(self.boxes, encoding="utf-8", newline="")
        except FileExistsError:
            raise FeedbackError(f"{out} exists already; choose another folder") from None
        except OSError as error:
            raise FeedbackError(
                f"{out} cannot be written: {error.strerror}; free space or choose another folder"
            ) from error


@perform_action("export of a project", Role.RESEARCHER)
def export_project(project: Project, out: Path, holdout_share: float = 0.1) -> Path:
    """Write a project into a new folder. Returns the path of its table.

    A film is a patient of its own, as nothing says who it shows. A film that is also in a registered dataset, among its
    test films or its promotion holdout of this share, is exported as a test film: a verdict on it is never trained on.
    Raises FeedbackError for a review of a dataset, without any kept film, and when the folder cannot be written.
    """
    build_export(project, holdout_share=holdout_share).write(out)
    return out / LABELS_FILE


def build_export(
    project: Project, *, holdout_share: float = 0.1, only_decided: bool = False
) -> ExportedProject:
    """What `export_project` writes; raises FeedbackError as it does. only_decided: without films that lack labels."""
    if project.dataset:
        raise FeedbackError(
            f"{project.name} reviews {project.dataset}, whose films lie where they are; make a label layer of it"
        )
    judgements = {(one.film, one.finding): one for one in list_judgements(project)}
    labelled = {film for (film, _), one in judgements.items() if find_label(one) is not None}
    films = [
        film
        for film in list_project_films(project)
        if film.is_kept and film.picture.is_file() and (film.id in labelled or not only_decided)
    ]
    if not films:
        which = " with a label that readers agree on" if only_decided else ""
        raise FeedbackError(
            f"no film of {project.name}{which} was kept, so there is nothing to export"
        )
    held_out = find_held_out_films(holdout_share, but_not_of=project)
    return ExportedProject(
        films=tuple(films),
        table=_format_table(project, films, judgements, held_out),
        boxes=json.dumps(to_coco(project, films, judgements), indent=1),
    )


def list_export_folders(project: Project) -> Iterator[Path]:
    """The folders of the workspace that exports of a project go to, without end: named after it, and numbered."""
    stem = re.sub(r"[^\w.+-]+", "-", project.name)
    return (workspace() / "exports" / f"{stem}-{number}" for number in itertools.count(1))


def find_label(judgement: Judgement | None) -> int | None:
    """1 or 0; None where nobody judged the film, the readers differ or are not sure."""
    return LABELS.get(judgement.answer) if judgement and judgement.answer else None


def find_held_out_films(share: float, *, but_not_of: Project | None = None) -> frozenset[str]:
    """The hashes of films that no run trains on: test films of registered datasets, and their promotion holdout.

    but_not_of: a project whose own exports do not count: a run on the next one leaves the same patients out.
    """
    held_out: set[str] = set()
    for dataset in list_datasets():
        try:
            table = dataset.load_manifest().table
        except DataError:  # the Data page says so
            continue
        if but_not_of is not None:
            own = table["patient"].str.contains(f"{but_not_of.id}-", regex=False)
            table = table[~own]
        belongs = (
            table["patient"]
            .map({patient: hash_patient(patient) < share for patient in table["patient"].unique()})
            .astype(bool)
        )
        chosen = table["sha256"].notna() & ((table["split"] == "test") | belongs)
        held_out |= set(table.loc[chosen, "sha256"])
    return frozenset(held_out)


def to_coco(
    project: Project,
    films: Sequence[ProjectFilm],
    judgements: Mapping[tuple[int, str], Judgement],
) -> JsonObject:
    """Boxes in the COCO format (cocodataset.org/#format-data): left, top, width, height in pixels of the film."""
    categories: dict[str, int] = {key: number for number, key in enumerate(project.findings, 1)}
    annotations: list[JsonObject] = []
    for film in films:
        for key, category in categories.items():
            judgement = judgements.get((film.id, key))
            if judgement is None or judgement.answer != "suspected":
                continue
            width, height = film.properties.width, film.properties.height
            for box in list_drawn_boxes(judgement):
                corner = [box.left * width, box.top * height]
                size = [box.width * width, box.height * height]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": film.id,
                        "category_id": category,
                        "bbox": [round(number, 2) for number in (*corner, *size)],
                        "area": round(size[0] * size[1], 2),
                        "iscrowd": 0,
                    }
                )
    return {
        "images": [
            {
                "id": film.id,
                "file_name": f"{FILMS_FOLDER}/{film.picture.name}",
                "width": film.properties.width,
                "height": film.properties.height,
            }
            for film in films
        ],
        "categories": [
            {"id": number, "name": finding_name(key)} for key, number in categories.items()
        ],
        "annotations": list(annotations),
    }


def _format_table(
    project: Project,
    films: Sequence[ProjectFilm],
    judgements: Mapping[tuple[int, str], Judgement],
    held_out: frozenset[str],
) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [finding.name if (finding := find_finding(key)) else key for key in project.findings]
    header = ["path", "patient", "view", "age", "sex", *names]
    has_test = any(film.pixels_sha256 in held_out for film in films)
    writer.writerow([*header, "split"] if has_test else header)
    for film in films:
        known = film.properties
        # By the film's number in the project, so that it lies in the same split when more films are kept.
        cells: list[object] = [f"{FILMS_FOLDER}/{film.picture.name}", f"{project.id}-{film.id}"]
        cells += [known.view or "", "" if known.age_years is None else f"{known.age_years:g}"]
        cells += [known.sex or ""]
        cells += [_to_cell(judgements.get((film.id, key))) for key in project.findings]
        if has_test:
            cells.append("test" if film.pixels_sha256 in held_out else "train")
        writer.writerow(cells)
    return text.getvalue()


def _to_cell(judgement: Judgement | None) -> str:
    """1, 0, or empty where there is no label."""
    label = find_label(judgement)
    return "" if label is None else str(label)

"""What is kept of a film, what leaves the workspace in an export, and that a deletion leaves nothing."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_core.access.actor import Actor, Role, acting_as
from cxr_core.data.cache.worker import hash_pixels
from cxr_core.data.prepare import prepare_dataset
from cxr_core.errors import AccessRefused, FeedbackError
from cxr_core.feedback import deletion
from cxr_core.feedback.deletion import delete_film, delete_project, finish_deletions
from cxr_core.feedback.export import export_project, find_held_out_films
from cxr_core.feedback.films import (
    ProjectFilm,
    find_film,
    keep_film,
    list_project_films,
    load_film,
    note_film,
)
from cxr_core.feedback.projects import Project, create_project, list_projects
from cxr_core.feedback.readers import register_reader
from cxr_core.feedback.review.queue import FindingAnswer, keep_answers
from cxr_core.feedback.store import feedback_folder, write_store
from cxr_core.feedback.verdicts import Mark, list_verdicts
from cxr_core.film.artefacts import flags
from cxr_core.film.decoding.decode import decode_film
from tests.feedback.bench import answer_of, draw_film, hash_of, judge, write_dataset

pytestmark = pytest.mark.usefixtures("workspace")
SECRET = "XYZZY-4711"


@pytest.fixture
def project(workspace: Path) -> Project:
    return create_project("study", ["pneumonia", "cardiomegaly"])


def keep(project: Project, number: int, bits: int = 8, **values: object) -> ProjectFilm:
    reader = register_reader("Ada")
    return keep_film(
        project, draw_film(number, bits, **values), f"{number:064x}", consent_by=reader.id
    )


@pytest.mark.parametrize("bits", [8, 16])
def test_the_kept_picture_has_the_pixels_that_the_decoder_gave(project: Project, bits: int) -> None:
    film = keep(project, 1, bits)
    again = decode_film(film.picture.read_bytes())
    assert hash_pixels(again) == hash_pixels(draw_film(1, bits)) == film.pixels_sha256
    assert again.bits == bits


def test_a_dark_film_of_many_bits_is_not_brightened(project: Project) -> None:
    """Of a 16-bit PNG whose values fill a sixteenth of the range the decoder would take these for all of it."""
    dark = draw_film(1, 12)
    assert dark.pixels.max() < 1 / 15
    film = keep(project, 1, 12)
    again = decode_film(film.picture.read_bytes())
    assert np.abs(again.pixels - dark.pixels).max() <= 0.5 / 255 + 1e-6


def test_the_picture_holds_pixels_and_nothing_else(project: Project) -> None:
    data = keep(project, 1).picture.read_bytes()
    kinds, at = [], 8
    while at < len(data):
        kinds.append(data[at + 4 : at + 8])
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    assert set(kinds) == {b"IHDR", b"IDAT", b"IEND"}


def test_facts_are_the_decoders_and_old_ages_become_one(project: Project) -> None:
    film = keep(project, 1, view="AP", age_years=97.0, sex="F", spacing_mm=(0.2, 0.1))
    facts = load_film(film.id).properties.to_json()
    assert facts == {
        "width": 50,
        "height": 40,
        "view": "AP",
        "age_years": 90.0,
        "sex": "F",
        "spacing_mm": [0.2, 0.1],
    }


def test_a_film_is_kept_once_and_only_with_consent(project: Project) -> None:
    noted = note_film(project, draw_film(1, age_years=40.0), "")
    assert (noted.is_kept, noted.properties.age_years, noted.picture.exists()) == (
        False,
        None,
        False,
    )
    with pytest.raises(FeedbackError, match="agreed to keep this film"):
        keep_film(project, draw_film(1), "", consent_by="")
    with pytest.raises(FeedbackError, match="no reader with the id"):
        keep_film(project, draw_film(2), "", consent_by="nobody")
    assert [film.is_kept for film in list_project_films(project)] == [False]
    kept = keep(project, 1, age_years=40.0)
    assert (kept.id, kept.is_kept, kept.properties.age_years) == (noted.id, True, 40.0)
    assert keep(project, 1).id == noted.id
    assert note_film(project, draw_film(1), "").is_kept  # a verdict later takes nothing away


def test_a_film_with_burned_in_text_is_not_kept(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "cxr_core.feedback.films.flag_burned_in_text", lambda pixels: iter([flags.BURNED_IN_TEXT])
    )
    with pytest.raises(
        FeedbackError, match="Possible burned-in text at the border, which may name"
    ):
        keep(project, 1)
    assert list_project_films(project) == []
    assert not list(feedback_folder().rglob("*.png"))


def test_a_film_is_found_by_the_first_digits_of_its_hash(project: Project) -> None:
    film = keep(project, 1)
    assert find_film(project, film.pixels_sha256[:10]) == film
    assert find_film(project, "none") is None
    keep(project, 2)
    with pytest.raises(FeedbackError, match="several films begin with"):
        find_film(project, "")


def test_an_export_is_a_folder_that_is_registered_as_it_is(
    project: Project, tmp_path: Path
) -> None:
    ada, ben = register_reader("Ada").id, register_reader("Ben").id
    films = [keep(project, number, view="PA", age_years=float(40 + number)) for number in range(5)]
    for film, answer in zip(
        films, ["suspected", "not_suspected", "unsure", "suspected"], strict=False
    ):
        judge(film, ada, answer)  # type: ignore[arg-type]
    judge(films[3], ben, "not_suspected")  # the two differ
    judge(films[0], ada, "not_suspected", "cardiomegaly")
    note_film(project, draw_film(9), "")
    table = export_project(project, tmp_path / "out")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["Pneumonia"] for row in rows] == ["1", "0", "", "", ""]
    assert [row["Cardiomegaly"] for row in rows] == ["0", "", "", "", ""]
    assert len({row["patient"] for row in rows}) == 5
    dataset = prepare_dataset([tmp_path / "out"])
    manifest = dataset.load_manifest().select_usable()
    assert manifest.table["pneumonia"].tolist()[:2] == [1, 0]
    assert np.isnan(manifest.table["pneumonia"].tolist()[2:]).all()
    assert manifest.table["age"].tolist() == [40, 41, 42, 43, 44]
    assert manifest.table["sha256"].tolist() == [film.pixels_sha256 for film in films]
    with pytest.raises(FeedbackError, match="exists already"):
        export_project(project, tmp_path / "out")


def test_boxes_are_exported_as_coco(project: Project, tmp_path: Path) -> None:
    ada = register_reader("Ada").id
    film, other = keep(project, 1), keep(project, 2)
    marks = (Mark(left=0.2, top=0.25, width=0.5, height=0.5), Mark(left=0.1, top=0.1))
    judge(film, ada, "suspected", marks=marks)
    judge(other, ada, "not_suspected", marks=marks)
    export_project(project, tmp_path / "out")
    coco = json.loads((tmp_path / "out" / "boxes.json").read_text())
    (annotation,) = coco["annotations"]
    assert annotation["bbox"] == [10.0, 10.0, 25.0, 20.0]  # of 50 x 40 pixels
    names = {category["id"]: category["name"] for category in coco["categories"]}
    assert names[annotation["category_id"]] == "Pneumonia"
    images = {image["id"]: image for image in coco["images"]}
    image = images[annotation["image_id"]]
    picture = cv2.imread(str(tmp_path / "out" / image["file_name"]), cv2.IMREAD_UNCHANGED)
    assert (image["height"], image["width"]) == picture.shape


def test_films_that_models_are_compared_on_are_exported_as_test_films(
    project: Project, tmp_path: Path
) -> None:
    """A verdict on a film of a registered test split, or of the promotion holdout, is never trained on."""
    write_dataset(tmp_path / "films", [0.0, 1.0, 0.0], split=["train", "test", "train"])
    assert find_held_out_films(0.0) == {hash_of(1)}
    assert find_held_out_films(1.0) == {hash_of(0), hash_of(1), hash_of(2)}
    films = [keep(project, number) for number in (0, 1, 5)]
    ada = register_reader("Ada").id
    for film in films:
        judge(film, ada, "suspected")
    table = export_project(project, tmp_path / "out", holdout_share=0.0)
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["split"] for row in rows] == ["train", "test", "train"]


def test_nothing_to_export_is_said(project: Project, tmp_path: Path) -> None:
    note_film(project, draw_film(1), "")
    with pytest.raises(FeedbackError, match="no film of study was kept"):
        export_project(project, tmp_path / "out")


def search_bytes(folder: Path, *secrets: bytes) -> list[str]:
    """Files under a folder that hold one of the texts."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if any(text in path.read_bytes() for text in secrets)]


def fill_with_traces(project: Project) -> list[bytes]:
    """Films, verdicts with comments, answers; gives texts that tell of them."""
    ada = register_reader("Ada").id
    films = [keep(project, number) for number in range(30)]
    for film in films:
        for turn in range(3):
            judge(film, ada, "suspected", comment=f"{SECRET} {film.id} {turn} " + "x" * 200)
    answers = [
        FindingAnswer(film=film.pixels_sha256, finding="pneumonia", answer=answer_of(0.5))
        for film in films
    ]
    keep_answers(project, answers)
    return [SECRET.encode(), *(film.pixels_sha256.encode() for film in films), project.id.encode()]


def test_a_deletion_leaves_no_byte(project: Project, workspace: Path) -> None:
    other = create_project("other", ["pneumonia"])
    kept = keep(other, 77)
    secrets = fill_with_traces(project)
    assert search_bytes(workspace, *secrets)
    delete_project(project)
    assert search_bytes(workspace, *secrets) == []
    assert list_projects() == [other]
    assert kept.picture.is_file()
    delete_project(project)


def test_without_overwriting_and_rewriting_a_deletion_would_leave_traces(
    project: Project, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The search of the test above can find something."""
    monkeypatch.setattr(deletion, "erase_deleted_rows", lambda: None)
    secrets = fill_with_traces(project)
    with write_store():  # keeps the log from being emptied as the last connection closes
        pass
    from cxr_core.feedback import store

    connection = store.sqlite3.connect(feedback_folder() / store.FILE)
    connection.execute("SELECT COUNT(*) FROM films").fetchone()
    delete_project(project)
    assert search_bytes(workspace, *secrets)
    connection.close()


def test_one_film_is_deleted_with_everything_about_it(project: Project, workspace: Path) -> None:
    ada = register_reader("Ada").id
    film, other = keep(project, 1), keep(project, 2)
    judge(film, ada, "suspected", comment=SECRET)
    judge(other, ada, "suspected")
    delete_film(film)
    assert search_bytes(workspace, SECRET.encode(), film.pixels_sha256.encode()) == []
    assert list_project_films(project) == [other]
    assert len(list_verdicts(other.id)) == 1


def test_a_deletion_that_was_killed_is_finished_by_the_next(
    project: Project, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = fill_with_traces(project)

    def kill(project: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(deletion, "_remove_pictures", kill)
        with pytest.raises(KeyboardInterrupt):
            delete_project(project)
    assert list_projects() == []
    assert search_bytes(workspace, *secrets)
    finish_deletions()
    assert search_bytes(workspace, *secrets) == []


def test_the_log_names_neither_film_nor_project(
    project: Project, workspace: Path, tmp_path: Path
) -> None:
    film = keep(project, 1)
    export_project(project, tmp_path / "out")
    delete_project(project)
    log = (workspace / "logs" / "silhouette.jsonl").read_text()
    assert "export of a project" in log
    assert "deletion of a project" in log
    assert not any(text in log for text in (film.pixels_sha256[:12], "study", project.id, "Ada"))


def test_who_may_only_read_neither_exports_nor_deletes_a_project(
    project: Project, tmp_path: Path
) -> None:
    keep(project, 1)
    with acting_as(Actor("somebody", Role.READER)):
        with pytest.raises(AccessRefused, match="needs the role researcher"):
            export_project(project, tmp_path / "out")
        with pytest.raises(AccessRefused, match="needs the role admin"):
            delete_project(project)
    assert list_projects() == [project]
    assert not (tmp_path / "out").exists()

"""A review of a dataset's labels, from a model's evaluation to a label layer, by the functions and in a shell."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxr_core.data.label_layers import load_layer
from cxr_core.data.prepare import forget_dataset, open_data
from cxr_core.data.registry import Dataset
from cxr_core.errors import FeedbackError
from cxr_core.evaluation.store.catalogue import load_record
from cxr_core.evaluation.store.loaded import LoadedEvaluation, load_evaluation
from cxr_core.evaluation.store.provenance import write_training_hashes
from cxr_core.feedback.export import export_project
from cxr_core.feedback.films import find_film, list_project_films
from cxr_core.feedback.layer import list_undecided, make_layer
from cxr_core.feedback.projects import Project, create_project
from cxr_core.feedback.readers import register_reader
from cxr_core.feedback.review.dataset_review import (
    create_review,
    fill_from_evaluation,
    open_review_films,
    read_review_film,
    tabulate_ratios,
)
from cxr_core.feedback.review.queue import list_queue, take_next_case
from cxr_core.feedback.verdicts import Mark
from cxr_core.inference import FilmRatios
from tests.feedback.bench import draw_film, hash_of, judge, write_dataset
from tests.feedback.evaluations import write_evaluation
from train.review import __main__ as command

pytestmark = pytest.mark.usefixtures("workspace")
TRUTH = [0, 1] * 10
FLIPPED = (3, 8)


@pytest.fixture
def dataset(workspace: Path, tmp_path: Path) -> Dataset:
    labels = [float(label if n not in FLIPPED else 1 - label) for n, label in enumerate(TRUTH)]
    return write_dataset(tmp_path / "films", labels)


def evaluate(dataset: Dataset, folder: Path) -> Path:
    """What a model that knows the truth would answer, written as an evaluation."""
    films = dataset.load_manifest()
    probabilities = {hash_of(n): 0.9 if label else 0.1 for n, label in enumerate(TRUTH)}
    return write_evaluation(folder, films, "pneumonia", films.table["sha256"].map(probabilities))


def load(folder: Path) -> LoadedEvaluation:
    return load_evaluation(load_record(folder))


def test_wrong_labels_come_first_and_become_a_layer(dataset: Dataset, tmp_path: Path) -> None:
    project = create_review("review", dataset, ["pneumonia"])
    filled = fill_from_evaluation(project, load(evaluate(dataset, tmp_path / "evaluation")))
    assert (filled.cases, filled.notes) == (20, ())
    page = list_queue(project, count=2)
    assert {case.pixels_sha256 for case in page.cases} == {hash_of(n) for n in FLIPPED}
    assert [case.reasons[0] for case in page.cases] == ["label_and_model"] * 2
    assert {case.label for case in page.cases} == {0, 1}
    ada = register_reader("Ada").id
    box = Mark(left=0.1, top=0.2, width=0.3, height=0.4)
    for case in page.cases:
        answer = "not_suspected" if case.label else "suspected"
        film = find_film(project, case.pixels_sha256)
        assert film is not None
        judge(film, ada, answer, comment="looked again", marks=(box,))  # type: ignore[arg-type]
    layer = make_layer(project, "better", "first round")
    assert layer.count_changes() == {"pneumonia": {"absent to present": 1, "present to absent": 1}}
    assert layer.record.data_sha256 == dataset.load_manifest().select_usable().data_sha256()
    first = layer.record.decisions[0]
    assert (first.readers, first.why) == ((ada,), "looked again")
    assert len([box for one in layer.record.decisions for box in one.boxes]) == 1
    films = open_data(["films", "labels:better"])
    assert films.table["pneumonia"].tolist() == [float(label) for label in TRUTH]
    assert len(films.boxes) == 1
    assert "films" not in str(list_project_films(project)[0])


def test_measured_hearts_add_their_reasons(workspace: Path, tmp_path: Path) -> None:
    dataset = write_dataset(
        tmp_path / "hearts", [0.0, 1.0] * 3, "hearts", cardiomegaly=[0, 1] * 3, view=["PA"] * 6
    )
    films = dataset.load_manifest()
    folder = write_evaluation(
        tmp_path / "evaluation", films, "cardiomegaly", pd.Series([0.1, 0.9] * 3)
    )
    project = create_review("review", dataset, ["cardiomegaly"])
    ratios = FilmRatios(
        values=np.array([0.58, 0.6, 0.4, 0.6, np.nan, 0.6]),
        standard_errors=np.full(6, 0.02),
        tapers=np.ones(6),
    )
    table = tabulate_ratios(open_review_films(project), ratios)
    fill_from_evaluation(project, load(folder), table)
    (first,) = list_queue(project, count=1).cases
    assert first.pixels_sha256 == hash_of(0)
    assert first.reasons[0] == "label_and_ratio"
    assert "The CTR is 0.58." in first.detail


def test_a_model_that_knows_the_films_is_told(dataset: Dataset, tmp_path: Path) -> None:
    folder = evaluate(dataset, tmp_path / "run" / "evaluation")
    write_training_hashes(tmp_path / "run", dataset.load_manifest().table.head(3))
    filled = fill_from_evaluation(create_review("review", dataset, ["pneumonia"]), load(folder))
    assert "trained or tuned on 3 films of these" in filled.notes[0]


def test_an_evaluation_of_other_films_is_refused(
    dataset: Dataset, workspace: Path, tmp_path: Path
) -> None:
    others = write_dataset(tmp_path / "others", [0.0, 1.0], name="others")
    moved = others.load_manifest()
    moved = moved.with_table(moved.table.assign(sha256=["a" * 64, "b" * 64]))
    folder = write_evaluation(tmp_path / "evaluation", moved, "pneumonia", pd.Series([0.1, 0.9]))
    project = create_review("review", dataset, ["pneumonia"])
    with pytest.raises(FeedbackError, match="has no film of films with a probability of pneumonia"):
        fill_from_evaluation(project, load(folder))


def test_a_film_deleted_from_the_dataset_is_passed_over(dataset: Dataset, tmp_path: Path) -> None:
    from cxr_core.data.prepare import prepare_dataset

    project = create_review("review", dataset, ["pneumonia"])
    fill_from_evaluation(project, load(evaluate(dataset, tmp_path / "evaluation")))
    assert read_review_film(open_review_films(project), hash_of(3)).startswith(b"\x89PNG")
    (dataset.folders[0] / "f3.png").unlink()
    prepare_dataset(dataset.folders)
    with pytest.raises(FeedbackError, match="no longer in the dataset"):
        read_review_film(open_review_films(project), hash_of(3))
    film = find_film(project, hash_of(3))
    assert film is not None
    judge(film, register_reader("Ada").id, "not_suspected")  # the verdict may still be given
    (decision,) = make_layer(project, "late").record.decisions
    assert decision.before is None
    forget_dataset(dataset.folder)
    with pytest.raises(FeedbackError, match="Register the dataset again"):
        open_review_films(project)


def test_cases_on_which_readers_differ_are_left_out_of_a_layer(dataset: Dataset) -> None:
    project = create_review("review", dataset, ["pneumonia"], reads=2)
    with pytest.raises(FeedbackError, match="nothing is decided in review yet"):
        make_layer(project, "none")
    ada, ben = register_reader("Ada").id, register_reader("Ben").id
    first, second, third, *_ = list_project_films(project)
    judge(first, ada, "suspected")
    judge(first, ben, "not_suspected")
    judge(second, ada, "suspected")
    judge(second, ben, "suspected")
    judge(third, ada, "unsure")
    judge(third, ben, "unsure")
    layer = make_layer(project, "agreed")
    labels = {one.film: one.label for one in layer.record.decisions}
    assert labels == {second.pixels_sha256: 1, third.pixels_sha256: None}
    assert list_undecided(project) == 1


def test_reviews_and_gathered_films_are_told_apart(dataset: Dataset, tmp_path: Path) -> None:
    from cxr_core.feedback.films import keep_film

    review = create_review("review", dataset, ["pneumonia"])
    gathered = create_project("own", ["pneumonia"])
    reader = register_reader("Ada").id
    with pytest.raises(FeedbackError, match="none is added"):
        keep_film(review, draw_film(1), "", consent_by=reader)
    with pytest.raises(FeedbackError, match="make a label layer of it"):
        export_project(review, tmp_path / "out")
    with pytest.raises(FeedbackError, match="register the folder as a dataset"):
        make_layer(gathered, "layer")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of `train.review`."""
    status = command.main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_round_in_a_shell(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = evaluate(dataset, tmp_path / "evaluation")
    assert (
        run(capsys, "create", "study", "--data=films", "--finding=pneumonia", "--reads=2")[0] == 0
    )
    status, out, _ = run(capsys, "fill", "study", f"--evaluation={folder}")
    assert (status, out) == (0, "20 cases in the queue\n")
    _, out, _ = run(capsys, "list")
    assert out == "study: labels of films, pneumonia, 20 films, 20 of 20 cases open, 2 reads\n"
    _, out, err = run(capsys, "list", "study", "--count=2")
    assert len(out.splitlines()) == 2
    assert "label_and_model" in out
    assert "the next page: --after 1" in err
    _, out, _ = run(capsys, "next", "study", "--reader=Ada")
    line, path = out.splitlines()
    film = line.split()[1]
    assert Path(path).is_file()
    for reader, answer in (("Ada", "suspected"), ("Ben", "not_suspected")):
        status, out, _ = run(
            capsys, "decide", "study", film, "pneumonia", answer, f"--reader={reader}"
        )
        assert (status, re.sub(r"\d+", "1", out)) == (0, "saved: verdict 1\n")
    _, out, _ = run(capsys, "adjudicate", "study", "--reader=Cy")
    assert out == f"{film}  pneumonia  suspected, not_suspected\n"
    assert run(capsys, "layer", "study", "none")[0] == 3
    status, out, _ = run(
        capsys, "adjudicate", "study", film, "pneumonia", "suspected", "--reader=Cy"
    )
    assert (status, out) == (0, "settled\n")
    status, out, err = run(capsys, "layer", "study", "better")
    assert (status, out) == (0, "labels:better\n")
    assert err.startswith("1 label decided; ")
    assert len(load_layer("better").record.decisions) == 1
    _, out, _ = run(capsys, "kappa", "study")
    assert out.splitlines()[-2:] == [
        "  No Cohen's kappa for 1 pair of readers who share a single film; it needs 2 films or more.",
        "  No Fleiss' kappa: it needs 2 films or more with the same number of readers.",
    ]
    run(capsys, "rename", "Ada", "Ada Byron")
    status, _, err = run(capsys, "rename", "Ada", "Eve")
    assert (status, "known: Ada Byron, Ben, Cy" in err) == (3, True)
    status, _, err = run(capsys, "decide", "study", "0000", "pneumonia", "unsure", "--reader=Ben")
    assert (status, "no film whose hash begins with" in err) == (3, True)
    assert run(capsys, "delete", "study")[0] == 0
    assert run(capsys, "list")[1] == ""


def test_kappa_in_a_shell(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    project = create_review("study", dataset, ["pneumonia"], reads=2)
    readers = [register_reader(name).id for name in ("Ada", "Ben", "Cy")]
    for film, label in zip(list_project_films(project), TRUTH, strict=True):
        for reader in readers:
            judge(film, reader, "suspected" if label else "not_suspected")
    _, out, _ = run(capsys, "kappa", "study")
    assert "Ada and Ben: Cohen's kappa 1.000" in out
    assert "all readers: Fleiss' kappa 1.000 (1.000 to 1.000), 20 films" in out
    assert "Ada against the other readers: sensitivity 1.000" in out


def test_no_words_of_a_queue_are_left_when_it_ends(
    dataset: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    project: Project = create_review("study", dataset, ["pneumonia"])
    assert take_next_case(project, register_reader("Ada").id) is None
    status, out, err = run(capsys, "next", "study", "--reader=Ada")
    assert (status, out, err) == (0, "", "nothing is left for this reader\n")

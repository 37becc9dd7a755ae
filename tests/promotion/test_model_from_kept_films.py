"""From films that a project keeps to the next model: a dataset of decided labels, a plan, and a run in a shell."""

from pathlib import Path

import pandas as pd
import pytest

from cxr_core.data.registry import find_dataset, list_datasets
from cxr_core.errors import FeedbackError
from cxr_core.feedback.deletion import delete_film
from cxr_core.feedback.films import keep_film, list_project_films, note_film
from cxr_core.feedback.projects import Project, create_project
from cxr_core.feedback.readers import register_reader
from cxr_core.models.store import load_card
from cxr_core.promotion import next_model
from cxr_core.promotion.next_model import plan_from_kept_films
from cxr_core.training.engine.distributed import DistributedContext
from cxr_core.training.recipe.recipe_file import format_recipe
from cxr_core.training.run_data import open_run_data
from cxr_core.training.runs.run_folder import RunFolder
from tests.feedback.bench import draw_film, hash_of, judge, write_dataset
from tests.tiny import TINY_RECIPE, tiny_card, tiny_model
from train.review import __main__ as command


@pytest.fixture
def recipe(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A recipe, by its file, for the one model in use."""
    card = tiny_card(findings=("pneumonia",), input_spec=TINY_RECIPE.input_spec())
    folder = tiny_model(workspace / "models", card)
    monkeypatch.setattr(next_model, "list_classifiers", lambda: [folder])
    path = tmp_path / "recipe.toml"
    path.write_text(format_recipe(TINY_RECIPE))
    return str(path)


@pytest.fixture
def project(workspace: Path) -> Project:
    return create_project("Night shift", ["pneumonia"])


def keep_and_judge(project: Project, numbers: range, *, only: str = "") -> None:
    """Keep films of noise; every second one is judged to have pneumonia."""
    ada = register_reader("Ada").id
    for number in numbers:
        film = keep_film(project, draw_film(number), f"{number:064x}", consent_by=ada)
        judge(film, ada, only or ("suspected" if number % 2 else "not_suspected"))  # type: ignore[arg-type]


def test_kept_films_become_a_dataset_of_decided_labels(project: Project, recipe: str) -> None:
    keep_and_judge(project, range(30))
    ada = register_reader("Ada").id
    keep_film(project, draw_film(90), "", consent_by=ada)  # nobody has judged it
    judge(note_film(project, draw_film(91), ""), ada, "suspected")  # nobody agreed to keep it
    planned = plan_from_kept_films(project, recipe=recipe)
    assert (planned.model, planned.recipe.init, planned.data) == (
        "tiny",
        "tiny",
        ("Night-shift-1",),
    )
    assert "30 films that Night shift keeps" in planned.sentence
    films = find_dataset("Night-shift-1").load_manifest().select_usable().table
    labels = dict(zip(films["sha256"], films["pneumonia"], strict=True))
    assert labels == {hash_of(number): number % 2 for number in range(30)}
    assert films["patient"].nunique() == 30
    assert "Ada" not in films.to_csv()


def test_the_dataset_is_made_anew_only_where_something_has_changed(
    project: Project, recipe: str
) -> None:
    keep_and_judge(project, range(30))
    plan_from_kept_films(project, recipe=recipe)
    assert plan_from_kept_films(project, recipe=recipe).data == ("Night-shift-1",)
    delete_film(list_project_films(project)[3])
    keep_and_judge(project, range(30, 32))
    assert plan_from_kept_films(project, recipe=recipe).data == ("Night-shift-2",)
    first, second = (
        dataset.load_manifest().table.set_index("sha256")["patient"] for dataset in list_datasets()
    )
    assert (len(first), len(second)) == (30, 31)
    both = pd.concat([first, second], axis=1, join="inner", keys=["first", "second"])
    assert (both["first"].str[-4:] == both["second"].str[-4:]).all(), "a film keeps its pseudonym"


def test_films_that_models_are_compared_on_are_not_learnt(
    project: Project, recipe: str, tmp_path: Path
) -> None:
    write_dataset(tmp_path / "films", [0.0, 1.0] * 3, split=["test"] * 6)
    keep_and_judge(project, range(40))
    planned = plan_from_kept_films(project, recipe=recipe)
    context = DistributedContext("cpu")
    data = open_run_data(planned.recipe, planned.data, context, lambda event: None, lambda: False)
    learnt = set(data.films.table["sha256"])
    assert len(learnt) > 20
    assert not learnt & {hash_of(number) for number in range(6)}


@pytest.mark.parametrize(
    ("count", "only", "found"),
    [
        (4, "", "pneumonia: 2 with, 2 without"),
        (20, "suspected", "pneumonia: 20 with, 0 without"),
        (8, "unsure", "pneumonia: 0 with, 0 without"),
    ],
)
def test_too_few_films_of_a_class_are_refused_and_nothing_is_written(
    project: Project, recipe: str, workspace: Path, count: int, only: str, found: str
) -> None:
    keep_and_judge(project, range(count), only=only)
    with pytest.raises(FeedbackError, match=f"Found {found}. Keep and judge more films"):
        plan_from_kept_films(project, recipe=recipe)
    assert not (workspace / "exports").exists()
    assert list_datasets() == []


def test_films_too_few_for_a_split_or_without_a_model_are_refused(
    project: Project, recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_and_judge(project, range(6))
    with pytest.raises(FeedbackError, match=r"that Night shift keeps: .*too few patients"):
        plan_from_kept_films(project, recipe=recipe)
    with pytest.raises(FeedbackError, match="no model in use third answers pneumonia"):
        plan_from_kept_films(project, model="third", recipe=recipe)


@pytest.mark.training
def test_a_run_learns_from_kept_films_in_a_shell(
    project: Project, recipe: str, workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_and_judge(project, range(40))
    run = workspace / "runs" / "next"
    arguments = ["train", "Night shift", f"--recipe={recipe}", f"--run={run}", "--device=cpu"]
    assert command.main([*arguments, "--labels=any"]) == 3
    assert "leave --labels out" in capsys.readouterr().err
    assert command.main(arguments) == 0
    captured = capsys.readouterr()
    assert "on the dataset Night-shift-1: 40 films" in captured.err
    card = load_card(Path(captured.out.strip()))
    assert card.findings == ("pneumonia",)
    manifest = RunFolder(run).load_manifest()
    assert manifest.folders == (str(workspace / "exports" / "Night-shift-1"),)
    assert card.training["data"]["data_sha256"] == manifest.data.data_sha256

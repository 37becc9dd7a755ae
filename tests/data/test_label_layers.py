"""A label layer changes labels where it is named and nowhere else, and never moves a film to another split."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxr_core.data.checks.label_layers import check_label_layers, list_changed_issues
from cxr_core.data.label_layers import (
    Label,
    LabelBox,
    LabelDecision,
    LabelLayer,
    apply_layers,
    describe_damaged_layers,
    describe_label_sources,
    layers_folder,
    list_layers,
    load_layer,
    save_layer,
    use_own_labels,
)
from cxr_core.data.manifest import Manifest, build_table
from cxr_core.data.prepare import open_data, open_registered, prepare_dataset, resolve_data
from cxr_core.data.registry import Dataset
from cxr_core.errors import DataError, RunError
from cxr_core.evaluation.evaluate import describe_data
from cxr_core.evaluation.report.document import build_films_paragraphs
from cxr_core.training import fit
from cxr_core.training.recipe.recipe import Recipe
from cxr_core.training.run_data import split_manifest
from cxr_core.training.runs.manifest import RunManifest
from tests.feedback.bench import hash_of, write_dataset
from train.command_line.arguments import LAYER, Parser, add_data

pytestmark = pytest.mark.usefixtures("workspace")
LABELS = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]


@pytest.fixture
def dataset(workspace: Path, tmp_path: Path) -> Dataset:
    return write_dataset(tmp_path / "films", LABELS)


def decide(
    number: int, label: Label | None, before: Label | None = None, **values: object
) -> LabelDecision:
    return LabelDecision(
        film=hash_of(number),
        finding="pneumonia",
        label=label,
        before=before,
        **values,  # type: ignore[arg-type]
    )


def save(name: str, *decisions: LabelDecision) -> LabelLayer:
    return save_layer(name, "films", "0" * 64, decisions, note="by hand")


def labels_of(films: Manifest, finding: str = "pneumonia") -> list[float]:
    return films.table[finding].tolist()


def test_the_layer_counts_where_it_is_named_and_the_data_stays_as_it_is(dataset: Dataset) -> None:
    before = (dataset.folders[0] / "labels.csv").read_bytes()
    save("better", decide(0, 1, 0), decide(3, 0, 1), decide(4, 0, 0))
    told: list[str] = []
    films = open_data(["films", "labels:better"], lambda stage, done, total: told.append(stage))
    assert labels_of(films) == [1, 1, 0, 0, 0, 1]
    assert labels_of(open_data(["films"])) == LABELS
    assert labels_of(open_registered(["labels:better"])) == [1, 1, 0, 0, 0, 1]
    assert "label layer better: 2 labels changed on 3 films" in told
    assert (dataset.folders[0] / "labels.csv").read_bytes() == before
    (applied,) = films.label_layers
    assert (applied.name, applied.films, applied.changed) == ("better", 3, {"pneumonia": 2})
    assert applied.sha256 == load_layer("labels:better").sha256
    assert describe_data(films).label_layers == (applied,)


def test_what_a_run_records_opens_the_same_labels_again(dataset: Dataset) -> None:
    save("better", decide(0, 1, 0))
    recorded = resolve_data(["films", "labels:better"])
    assert recorded == (str(dataset.folders[0]), "labels:better")
    assert labels_of(open_data(recorded)) == [1, 1, 0, 1, 0, 1]


def test_a_label_may_become_unknown_and_a_finding_may_be_new(dataset: Dataset) -> None:
    mass = LabelDecision(film=hash_of(1), finding="mass", label=1)
    save("better", decide(0, None, 0), mass)
    films = open_data(["films", "labels:better"])
    assert np.isnan(labels_of(films)[0])
    assert films.findings == ("pneumonia", "mass")
    assert labels_of(films, "mass")[1] == 1
    assert np.isnan(labels_of(films, "mass")[0])


def test_of_two_layers_the_later_one_counts_and_the_datas_own_labels_are_known(
    dataset: Dataset,
) -> None:
    save("first", decide(0, 1, 0), decide(2, None, 0))
    save("second", decide(0, 0, 0), decide(2, 1, 0), decide(3, 0, 1))
    films = open_data(["films", "labels:first", "labels:second"])
    assert labels_of(films) == [0, 1, 1, 0, 0, 1]
    assert labels_of(use_own_labels(films)) == LABELS
    assert [layer.name for layer in films.label_layers] == ["first", "second"]


def test_boxes_of_readers_take_the_place_of_those_of_the_same_film_and_finding(
    dataset: Dataset,
) -> None:
    films = open_data(["films"])
    columns = {"finding": "pneumonia", "left": 0.1, "top": 0.1, "width": 0.1, "height": 0.1}
    drawn = pd.DataFrame([{"image": image, **columns} for image in films.table["image"][:3]])
    boxed = Manifest(films.table, "csv", "", drawn.astype(dict(films.boxes.dtypes)))
    box = LabelBox(left=0.5, top=0.25, width=0.25, height=0.5)
    save("better", decide(0, 1, 0, boxes=(box,)), decide(1, 0, 1), decide(2, 1, 0))
    boxes = apply_layers(boxed, ["labels:better"]).boxes
    first, _, third = films.table["image"][:3]
    assert boxes[["image", "left"]].values.tolist() == [[third, np.float32(0.1)], [first, 0.5]]


def test_films_without_boxes_still_have_none(dataset: Dataset) -> None:
    save("better", decide(1, 0, 1))
    films = open_data(["films", "labels:better"])
    assert films.boxes.equals(open_data(["films"]).boxes)


def test_a_layer_of_another_dataset_is_refused_and_films_that_are_gone_are_told(
    dataset: Dataset, tmp_path: Path
) -> None:
    save("better", decide(0, 1, 0), decide(1, 0, 1), decide(2, 1, 0))
    others = write_dataset(tmp_path / "others", [0.0, 1.0], name="others")
    films = others.load_manifest()
    renamed = films.table.assign(sha256=["a" * 64, "b" * 64])
    with pytest.raises(DataError, match=r"made for the dataset films \(000000000000\): 0 of its 3"):
        apply_layers(films.with_table(renamed), ["labels:better"])
    (dataset.folders[0] / "f0.png").unlink()
    told: list[str] = []
    open_data(["films", "labels:better"], lambda stage, done, total: told.append(stage))
    assert (
        "label layer better: 2 labels changed on 2 films; no longer in this data: 1 film of it"
        in told
    )


def test_films_of_a_subset_have_the_labels_of_the_layer(dataset: Dataset) -> None:
    from cxr_core.data.subsets import save_subset

    manifest = dataset.load_manifest()
    save_subset("one", manifest.with_table(manifest.table.iloc[:1]), "films")
    save("better", decide(0, 1, 0), decide(3, 0, 1), decide(4, 1, 0))
    films = open_data(["films", "subset:one", "labels:better"])
    assert labels_of(films) == [1]
    assert describe_label_sources(films) == (
        "Labels: those of the data, with the label layer better; readers decided 1 of these 1 film."
    )


def test_a_layer_never_changes_and_its_name_is_taken(dataset: Dataset) -> None:
    save("better", decide(0, 1, 0))
    with pytest.raises(DataError, match="a label layer named better already"):
        save("better", decide(0, 0, 0))
    with pytest.raises(DataError, match="decided twice"):
        save("twice", decide(0, 1), decide(0, 0))
    with pytest.raises(DataError, match="nothing was decided"):
        save("empty")
    with pytest.raises(DataError, match="cannot be named"):
        save("a/b", decide(0, 1))
    with pytest.raises(DataError, match="no label layer named worse; known: better"):
        open_data(["films", "labels:worse"])
    assert [layer.name for layer in list_layers("films")] == ["better"]
    assert list_layers("others") == []


def test_a_damaged_layer_is_named(dataset: Dataset) -> None:
    save("better", decide(0, 1, 0))
    path = layers_folder() / "better.json"
    path.write_text(path.read_text().replace('"label": 1', '"label": 2'))
    with pytest.raises(DataError, match="the label layer better cannot be read"):
        open_data(["films", "labels:better"])
    path.unlink()
    path.mkdir()
    (sentence,) = describe_damaged_layers()
    assert sentence.startswith("The label layer better cannot be read")
    assert str(path) in sentence


def test_the_doctor_reports_what_a_layer_changes(dataset: Dataset) -> None:
    save("better", decide(0, 1, 0), decide(2, 1, 0), decide(3, 0, 1), decide(5, 1, 1))
    (issue,) = check_label_layers(dataset.load_manifest(), "films")
    assert issue.message == (
        "Readers decided labels in the layer better: 4 labels decided; Pneumonia: 2 absent to present, "
        "1 present to absent."
    )
    again = prepare_dataset(dataset.folders)
    assert "label_layer" in [one.code for one in again.load_issues()]
    assert "2 absent to present" in again.report.read_text()


def test_the_checks_run_with_the_layers_labels(workspace: Path, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "films", LABELS, split=["train"] * 3 + ["test"] * 3)
    layer = save("positive", decide(4, 1, 0))
    appeared, gone = list_changed_issues(dataset.load_manifest(), layer)
    assert [issue.code for issue in appeared] == ["no_negatives"]
    assert gone == []


RECIPE = Recipe(
    name="r",
    model="r",
    summary="For a test.",
    findings=("pneumonia",),
    population="anybody",
    split="60:20:20",
    gate_share=0.0,
)


def many_films() -> Manifest:
    number = np.arange(120)
    table = {
        "image": [f"/films/{n}.png" for n in number],
        "patient": number.astype(str),
        "split": None,
        "source": "films",
        "sha256": [f"{n:064x}" for n in number],
        "pneumonia": (number % 3 == 0).astype(float),
    }
    return Manifest(build_table(table), "csv", "terms")


def test_films_lie_in_the_same_splits_with_a_layer_and_without(workspace: Path) -> None:
    films = many_films()
    flipped = [
        LabelDecision(film=f"{n:064x}", finding="pneumonia", label=int(n % 3 != 0))  # type: ignore[arg-type]
        for n in range(0, 120, 4)
    ]
    save_layer("flipped", "films", "", flipped)
    layered = apply_layers(films, ["labels:flipped"])
    plain, split = split_manifest(RECIPE, films), split_manifest(RECIPE, layered)
    assert split.split_sha256() == plain.split_sha256()
    # Split by the layer's own labels they would lie elsewhere, so the test can fail.
    relabelled = films.with_table(layered.table)
    assert split_manifest(RECIPE, relabelled).split_sha256() != plain.split_sha256()
    by_image = split.table.set_index("image")["pneumonia"]
    expected = layered.table.set_index("image")["pneumonia"]
    assert by_image.equals(expected.loc[by_image.index])
    assert split.label_layers == layered.label_layers


def test_a_layer_that_leaves_one_class_is_refused(workspace: Path) -> None:
    films = many_films()
    present = [n for n in range(120) if n % 3 == 0]
    save_layer(
        "none",
        "films",
        "",
        [LabelDecision(film=f"{n:064x}", finding="pneumonia", label=0) for n in present],
    )
    with pytest.raises(DataError, match="labelled present for pneumonia"):
        split_manifest(RECIPE, apply_layers(films, ["labels:none"]))


def test_labels_may_come_from_the_layer_alone(workspace: Path) -> None:
    films = many_films()
    films = films.with_table(films.table.drop(columns="pneumonia"))
    save_layer(
        "all",
        "films",
        "",
        [
            LabelDecision(film=f"{n:064x}", finding="pneumonia", label=n % 2)  # type: ignore[arg-type]
            for n in range(120)
        ],
    )
    split = split_manifest(RECIPE, apply_layers(films, ["labels:all"]))
    assert set(split.table["split"]) == {"train", "val", "test"}
    assert split.table["pneumonia"].sum() == 60


def test_a_run_is_not_resumed_with_other_labels(dataset: Dataset, tmp_path: Path) -> None:
    save("better", decide(0, 1, 0))
    films = open_data(["films", "labels:better"])
    manifest = RunManifest(label_layers=films.label_layers)
    assert RunManifest.from_json(manifest.to_json()) == manifest
    fit._require_same_layers(films, manifest, tmp_path)
    (layers_folder() / "better.json").unlink()
    save("better", decide(0, 0, 0))
    changed = open_data(["films", "labels:better"])
    with pytest.raises(RunError, match=r"the labels of .* have changed since it began"):
        fit._require_same_layers(changed, manifest, tmp_path)
    assert manifest.training_data()["label_layers"]


def test_the_report_of_an_evaluation_says_by_which_labels_it_judged(dataset: Dataset) -> None:
    save("better", decide(0, 1, 0))
    data = describe_data(open_data(["films", "labels:better"]))
    sentences = [paragraph.text for paragraph in build_films_paragraphs(data, "test")]
    assert sentences[-1] == (
        "Judged with the label layer better: 1 label changed on 1 film of all splits."
    )


def test_commands_name_a_layer_as_one_more_part_of_the_data() -> None:
    parser = Parser(prog="test")
    add_data(parser)
    given = parser.parse_args(["--data", "nih", "--labels", "better", "--labels", "labels:b"])
    assert given.data == ["nih", "labels:better", "labels:b"]
    assert LAYER == "labels:"

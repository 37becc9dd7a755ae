"""The models in the tree, on real films: their cards' figures, their familiarity, their robustness to containers."""

import csv
import io
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cxr_core.data.film_set import load_film_set
from cxr_core.data.manifest import Manifest
from cxr_core.data.prepare import open_data
from cxr_core.evaluation.evaluate import compute_figures
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.phantom.phantom import SAMPLES, draw_phantom, encode_png
from cxr_core.film.preprocess import normalise_grids, to_model_input
from cxr_core.inference import classify_films, predict_films
from cxr_core.models.registry.registry import list_classifiers
from cxr_core.models.store import load_card
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.reader import Reader
from cxr_core.workspace.paths import SHIPPED_MODELS

pytestmark = pytest.mark.training

FOLDERS = list_classifiers((SHIPPED_MODELS,))
NIH = ("nih_pneumonia_256", "nih_boxes_256", "nih_cxr8")
TEST_DATA = {
    "abnormality-adults": (*NIH, "rsna_labels"),
    "cardiomegaly-adults": ("nih_cxr8",),
    "pneumonia-children": ("kermany_pneumonia",),
}
NIH_TABLES = ("Data_Entry_2017_v2020.csv", "train_val_list.txt", "test_list.txt")
FLOORS = {"abnormality-adults": 0.89, "cardiomegaly-adults": 0.70, "pneumonia-children": 0.96}


@pytest.fixture(scope="module")
def reader():
    with Reader.installed(FOLDERS) as opened:
        yield opened


@pytest.fixture(scope="module")
def official_test_films(real_data, tmp_path_factory) -> Callable[..., Manifest]:
    """The official test films of collections, without the ten times as many others, which no test here reads."""
    root = tmp_path_factory.mktemp("official")
    (root / "kermany_pneumonia").mkdir()
    (root / "kermany_pneumonia" / "test").symlink_to(real_data / "kermany_pneumonia" / "test")
    (root / "rsna_labels").symlink_to(real_data / "rsna_labels")
    names = set((real_data / "nih_cxr8" / "test_list.txt").read_text().split())
    for collection in NIH:
        (root / collection / "images").mkdir(parents=True)
        for table in NIH_TABLES:
            (root / collection / table).symlink_to(real_data / "nih_cxr8" / table)
        for film in (real_data / collection).rglob("*.png"):
            if film.name in names:
                (root / collection / "images" / film.name).symlink_to(film)
    return cache(
        lambda *collections: open_data([root / name for name in collections]).select_split("test")
    )


def test_three_findings_are_shipped():
    assert [folder.parent.name for folder in FOLDERS] == [
        "abnormality-adults",
        "cardiomegaly-adults",
        "pneumonia-children",
    ]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_a_card_is_complete_and_its_folder_small(folder):
    card = load_card(folder)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 20e6
    assert card.population.age_min is not None
    assert all(len(card.training["data"][name]) == 64 for name in ("data_sha256", "split_sha256"))
    assert card.training["terms"]
    for key in card.findings:
        assert {point.name for point in card.operating_points[key]} == {
            "youden",
            "sensitivity_95",
            "specificity_95",
        }
        for part in ("validation", "test"):
            figure = card.metrics[part][key]["auroc"]
            assert 0 < figure["positives"] < figure["n"]
            assert figure["low"] <= figure["value"] <= figure["high"]


@pytest.mark.timeout(900)  # a minute of computing, on a machine that does nothing else
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_the_weights_give_the_figures_of_their_card_on_the_official_test_films(
    folder, official_test_films
):
    classifier = Classifier.load(folder)
    films = official_test_films(*TEST_DATA[classifier.card.model])
    patients = classifier.card.population
    of_ages = films.match_ages(patients.age_min, patients.age_max)
    films = films.with_table(films.table[of_ages])
    figures = compute_figures(classifier.card, predict_films(classifier, films))
    for key, expected in classifier.card.metrics["test"].items():
        assert figures[key].auroc.value >= FLOORS[classifier.card.model]
        for name in ("auroc", "average_precision", "ece"):
            figure = getattr(figures[key], name)
            assert figure.n == expected[name]["n"]
            assert figure.value == pytest.approx(expected[name]["value"], abs=0.003)
        decisions = {name: each.to_json() for name, each in figures[key].decisions.items()}
        assert list(decisions) == ["standard", "strict"]
        for name, rates in expected["decisions"].items():
            for rate, figure in rates.items():
                assert decisions[name][rate]["n"] == figure["n"]
                assert decisions[name][rate]["value"] == pytest.approx(figure["value"], abs=0.02)


def test_the_apps_tensor_is_the_loaders_to_the_last_bit(official_test_films, reader):
    films = official_test_films("nih_cxr8")
    few = films.with_table(films.table.head(8))
    for classifier in reader.classifiers:
        spec = classifier.card.input_spec
        loaded = normalise_grids(load_film_set(few, spec).take_grids(slice(None)), spec)
        for row, path in enumerate(few.paths):
            assert np.array_equal(
                loaded[row : row + 1], to_model_input(decode_film(path.read_bytes()).pixels, spec)
            )


def test_pictures_that_are_no_chest_film_are_refused(real_data, reader):
    with (real_data / "not_chest" / "manifest.csv").open(encoding="utf-8") as file:
        rejects = [row["file"] for row in csv.DictReader(file) if row["expected"] == "reject"]
    readings = [_read(reader, real_data / "not_chest" / name) for name in rejects]
    assert np.mean([reading.status == "refused" for reading in readings]) >= 0.95


@pytest.mark.parametrize(
    ("folder", "age"),
    [
        ("kermany_pneumonia/test/*", 3),
        ("nih_originals_1024/images", 50),
        ("heart_ctr/images", 50),
        ("nih_boxes_256/images", 50),
    ],
)
def test_chest_films_are_not_refused_as_unfamiliar(real_data, reader, folder, age):
    paths = sorted(path for place in real_data.glob(folder) for path in place.iterdir())[::2]
    assert len(paths) > 5
    refused = [path.name for path in paths if _read(reader, path, age).status == "refused"]
    assert len(refused) <= max(1, 0.02 * len(paths)) if len(paths) > 20 else not refused, refused


def test_official_nih_test_films_are_familiar(official_test_films, reader):
    """To one of the models at least, as a film of an unknown patient has to be."""
    films = official_test_films("nih_cxr8")
    some = films.with_table(films.table[::4])
    unfamiliar = some
    for classifier in reader.classifiers:
        if len(unfamiliar.table):
            scores = [output.ood_score for output in classify_films(classifier, unfamiliar)]
            unfamiliar = unfamiliar.with_table(unfamiliar.table[np.array(scores) > 1])
    assert len(unfamiliar.table) <= 0.01 * len(some.table)


def test_drawings_are_read_and_labelled(reader):
    for spec in SAMPLES.values():
        examination = reader.examine(encode_png(draw_phantom(spec)))
        reading = interpret(examination, Patient(), "youden")
        assert reading.status == "read"
        assert "drawing" in [concern.code for concern in reading.concerns]


def test_the_same_picture_in_every_lossless_container_gives_the_same_probability(real_data, reader):
    path = sorted((real_data / "nih_originals_1024" / "images").iterdir())[0]
    pixels = np.rint(decode_film(path.read_bytes()).pixels * 255).astype(np.uint8)
    expected = [
        output.probabilities
        for output in reader.examine(_as("PNG", Image.fromarray(pixels))).outputs
    ]
    wide = Image.fromarray(pixels.astype(np.uint16) * 257)
    grey = Image.fromarray(pixels)
    for data in (
        _as("PNG", wide),
        *(_as("PNG", grey.convert(mode)) for mode in ("RGB", "RGBA", "LA", "P")),
    ):
        found = [output.probabilities for output in reader.examine(data).outputs]
        assert np.allclose(found, expected, atol=0.01)


def test_the_evidence_of_a_shipped_model_sums_to_its_logit(real_data, reader):
    path = sorted((real_data / "nih_originals_1024" / "images").iterdir())[1]
    for classifier, output in zip(
        reader.classifiers, reader.examine(path.read_bytes()).outputs, strict=True
    ):
        for index, key in enumerate(output.card.findings):
            bias = float(classifier.network.head.linear.bias[index])
            shown = output.attributions[key].cells.sum() + np.sum(
                output.card.baseline_attribution.get(key, 0.0)
            )
            assert shown == pytest.approx(float(output.logits[index]) - bias, abs=2e-4)


def test_readings_do_not_depend_on_the_number_of_threads(real_data, reader):
    path = sorted((real_data / "nih_originals_1024" / "images").iterdir())[2]
    film = decode_film(path.read_bytes())
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = [classifier.read(film).probabilities for classifier in reader.classifiers]
    finally:
        torch.set_num_threads(before)
    together = [classifier.read(film).probabilities for classifier in reader.classifiers]
    assert np.allclose(alone, together, atol=1e-4)


def _read(reader: Reader, path: Path, age: float | None = None):
    return interpret(reader.examine(path.read_bytes()), Patient(age_years=age), "youden")


def _as(kind: str, picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()

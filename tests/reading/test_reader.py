import io
import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from cxr_core.errors import ModelError, ReadingError
from cxr_core.film.decoding.decode import decode
from cxr_core.film.phantom.phantom import PhantomSpec, as_png, draw
from cxr_core.film.preprocess import to_model_input
from cxr_core.models.card import Calibration
from cxr_core.models.store import load_network
from cxr_core.reading import reader as reader_module
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.methods import METHODS
from cxr_core.reading.patient import Patient
from cxr_core.reading.reader import Reader
from cxr_core.reading.results import interpret
from tests.tiny import tiny_card, tiny_model, tiny_network


def png(seed: int = 0, side: int = 256) -> bytes:
    """A drawn chest as a plain PNG, without the mark of a drawing."""
    pixels = decode(as_png(draw(PhantomSpec(seed=seed)))).pixels
    buffer = io.BytesIO()
    Image.fromarray((cv2.resize(pixels, (side, side)) * 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    calibration = {
        key: Calibration(slope=2.0, intercept=0.5) for key in ("cardiomegaly", "pneumonia")
    }
    folders = [
        tiny_model(root, tiny_card("first", calibration=calibration), seed=1),
        tiny_model(root, tiny_card("second", ("pneumonia",)), seed=2),
    ]
    with Reader.installed(folders) as opened:
        yield opened


def test_a_reading_is_the_network_and_its_calibration_and_nothing_else(reader):
    """The plain steps, written out: decode, preprocess, forward, sigmoid(2 z + 0.5)."""
    data = png()
    output = reader.examine(data).outputs[0]
    card = output.card
    inputs = torch.from_numpy(to_model_input(decode(data).pixels, card.input_spec))
    with torch.no_grad():
        logits = tiny_network(card, seed=1)(inputs)[0].numpy()
    assert np.allclose(output.logits, logits, atol=1e-5)
    assert np.allclose(output.probabilities, 1 / (1 + np.exp(-(2 * logits + 0.5))), atol=1e-5)


def test_many_films_give_the_same_as_one_at_a_time_in_the_same_order(reader):
    files = [png(seed, 200 + 10 * seed) for seed in range(5)] + [b"not a film", png(9)]
    alone = [reader.examine(data) for data in files]
    together = list(reader.examine_many(files))
    assert [e.sha256 for e in together] == [e.sha256 for e in alone]
    for one, many in zip(alone, together, strict=True):
        assert one.concerns == many.concerns
        assert len(one.outputs) == len(many.outputs)
        for a, b in zip(one.outputs, many.outputs, strict=True):
            assert np.allclose(a.logits, b.logits, atol=1e-5)
            assert np.allclose(
                a.evidence["pneumonia"].on_film(), b.evidence["pneumonia"].on_film(), atol=1e-5
            )


def test_a_folder_leaves_every_core_to_the_films_that_are_read_later(reader, monkeypatch):
    monkeypatch.setattr(reader_module, "EVERY_CORE", 3)
    monkeypatch.setattr(reader_module, "_share_cores", lambda ahead: torch.set_num_threads(1))
    begun = reader.examine_many([png(1), png(2)])
    next(begun)
    begun.close()  # who looks no further
    with ThreadPoolExecutor(1) as later:
        found = later.submit(torch.get_num_threads).result()
    torch.set_num_threads(1)
    assert found == 3


def test_threads_share_one_reader_without_mixing_their_films(reader):
    files = [png(seed) for seed in range(4)]
    expected = [reader.examine(data).outputs[0] for data in files]
    wrong: list[int] = []

    def read(index: int) -> None:
        for _ in range(5):
            output = reader.examine(files[index]).outputs[0]
            same = np.allclose(output.logits, expected[index].logits, atol=1e-6)
            cells = [
                output.evidence["pneumonia"].cells,
                expected[index].evidence["pneumonia"].cells,
            ]
            if not same or not np.allclose(*cells, atol=1e-6):
                wrong.append(index)
            reader.explain(output, "pneumonia", "gradcam")

    threads = [threading.Thread(target=read, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_a_map_on_the_films_grid(reader, method):
    output = reader.examine(png(side=300)).outputs[0]
    evidence = reader.explain(output, "cardiomegaly", method)
    assert evidence.on_film().shape == (300, 300)
    assert evidence.unit == ("logit" if method == "evidence" else "relative")


def test_the_heatmap_scale_belongs_to_the_model_not_to_the_film(reader):
    scales = {reader.examine(png(seed)).outputs[0].evidence["pneumonia"].scale for seed in range(3)}
    assert scales == {0.1}


def test_a_drawing_is_read_and_says_that_it_is_one(reader):
    examination = reader.examine(as_png(draw(PhantomSpec())))
    assert "drawing" in [concern.code for concern in examination.concerns]
    assert interpret(examination, Patient(), "youden").status == "read"


def test_a_file_that_is_no_film_is_refused_with_a_sentence(reader):
    reading = interpret(reader.examine(b"<html>"), Patient(), "youden")
    assert (reading.status, reading.findings) == ("refused", ())
    assert reading.reason.endswith(".")


def test_a_logit_that_is_no_number_is_an_error_never_a_probability(tmp_path):
    folder = tiny_model(tmp_path)
    classifier = Classifier.load(folder)
    broken = load_network(folder, classifier.card)
    with torch.no_grad():
        broken.head.linear.bias[0] = float("nan")
    film = draw(PhantomSpec())
    with pytest.raises(ReadingError, match="finite"):
        Classifier(card=classifier.card, network=broken).read(film)


def test_an_output_of_a_model_that_is_gone_is_not_explained_by_another(reader, tmp_path):
    other = Classifier.load(tiny_model(tmp_path, tiny_card("gone")))
    output = other.read(draw(PhantomSpec()))
    with pytest.raises(ModelError, match="no longer installed"):
        reader.explain(output, "pneumonia", "evidence")


def test_without_models_a_film_is_refused_not_called_normal(tmp_path):
    with Reader.installed([]) as empty:
        reading = interpret(empty.examine(png()), Patient(), "youden")
    assert reading.status == "refused"
    assert "No model is installed" in reading.reason

"""The reading flow: what one film gives, alone, in a folder and in many threads."""

import dataclasses
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from cxr_core.errors import ModelError, ReadingError
from cxr_core.film.decoding.decode import decode_film
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom, encode_png
from cxr_core.film.preprocess import to_model_input
from cxr_core.models.card import Calibration
from cxr_core.models.store import load_network
from cxr_core.reading.classifier import Classifier
from cxr_core.reading.cores import CoreScheduler
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.reader import BATCH, BATCHES_AT_ONCE, Reader
from cxr_core.reading.results import HEATMAP_METHODS
from tests.tiny import tiny_card, tiny_model, tiny_network


@cache
def png(seed: int = 0, side: int = 256) -> bytes:
    """A drawing as a plain PNG, without the mark of a drawing."""
    pixels = decode_film(encode_png(draw_phantom(PhantomSpec(seed=seed)))).pixels
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


def test_a_reading_is_the_network_followed_by_its_calibration(reader):
    """The plain steps, written out: decode, preprocess, forward, sigmoid(2 z + 0.5)."""
    data = png()
    output = reader.examine(data).outputs[0]
    card = output.card
    inputs = torch.from_numpy(to_model_input(decode_film(data).pixels, card.input_spec))
    with torch.no_grad():
        logits = tiny_network(card, seed=1)(inputs)[0].numpy()
    assert np.allclose(output.logits, logits, atol=1e-5)
    assert np.allclose(output.probabilities, 1 / (1 + np.exp(-(2 * logits + 0.5))), atol=1e-5)


def test_films_of_a_folder_are_read_as_one_at_a_time_and_in_order(reader):
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
                a.attributions["pneumonia"].on_film(),
                b.attributions["pneumonia"].on_film(),
                atol=1e-5,
            )


def test_a_forward_pass_uses_one_core_and_leaves_torch_as_it_was(reader):
    """Another thread's work is not held to one core, neither meanwhile nor later."""
    scheduler, passes = CoreScheduler(cores=3), []

    class Recorded(torch.nn.Module):
        """A network that notes on how many cores it runs."""

        def __init__(self, network):
            super().__init__()
            self.network, self.head = network, network.head
            self.forward_head = network.forward_head

        def forward_with_middle_maps(self, films):
            passes.append(torch.get_num_threads())
            return self.network.forward_with_middle_maps(films)

    plain = reader.classifiers[0]
    classifier = dataclasses.replace(plain, network=Recorded(plain.network), cores=scheduler)
    film = decode_film(png())
    with ThreadPoolExecutor(1) as session:
        session.submit(classifier.read, film).result()
        cores_in_that_thread = session.submit(torch.get_num_threads).result()
    with ThreadPoolExecutor(1) as later:
        cores_later = later.submit(torch.get_num_threads).result()
    torch.set_num_threads(1)
    assert passes == [1]
    assert (cores_in_that_thread, cores_later) == (3, 3)


@pytest.mark.parametrize("cores", [1, 2, 3])
def test_as_many_forward_passes_run_at_once_as_there_are_cores(cores):
    scheduler, running, most = CoreScheduler(cores=cores), [], []
    full = threading.Barrier(cores)

    def run(index: int) -> None:
        for turn in range(5):
            with scheduler.forward_pass():
                running.append(index)
                most.append(len(running))
                if turn == 0 and index < cores:
                    full.wait(30)  # breaks unless this many are inside together
                time.sleep(0.001)
                running.remove(index)

    with ThreadPoolExecutor(cores) as first:
        list(first.map(run, range(cores)))
    with ThreadPoolExecutor(2 * cores) as threads:
        list(threads.map(run, range(cores, 3 * cores)))
    assert max(most) == cores


def test_an_error_in_a_forward_pass_frees_its_core():
    scheduler = CoreScheduler(cores=1)
    with pytest.raises(ReadingError), scheduler.forward_pass():
        raise ReadingError("no number")
    with scheduler.forward_pass():
        assert torch.get_num_threads() == 1


def test_results_come_in_order_and_items_are_taken_as_they_are_needed():
    scheduler, taken = CoreScheduler(cores=2), []

    def items():
        for item in range(10):
            taken.append(item)
            yield item

    def slow_at_first(item: int) -> int:
        time.sleep(0.05 if item == 0 else 0)
        return item * item

    results = scheduler.map(slow_at_first, items())
    assert next(results) == 0
    assert len(taken) <= 1 + scheduler.cores
    assert list(results) == [item * item for item in range(1, 10)]


def test_no_more_films_of_a_folder_are_in_memory_than_three_batches(reader):
    asked = []

    def files():
        for number in range(40):
            asked.append(number)
            yield png(number % 5)

    at_once = BATCH * (BATCHES_AT_ONCE + 1)
    for read, _ in enumerate(reader.examine_many(files())):
        batches_used = read // BATCH
        assert len(asked) <= BATCH * batches_used + at_once


def test_an_error_of_one_item_ends_the_others():
    with pytest.raises(ReadingError, match="second"):
        for _ in CoreScheduler(cores=2).map(_refuse_second, range(4)):
            pass


def _refuse_second(item: int) -> int:
    if item == 1:
        raise ReadingError("the second")
    return item


def test_a_folder_can_be_left_before_its_end(reader):
    begun = reader.examine_many(png(number % 5) for number in range(30))
    first = next(begun)
    begun.close()
    assert first.outputs


def test_threads_share_one_reader_without_mixing_their_films(reader):
    files = [png(seed) for seed in range(4)]
    expected = [reader.examine(data).outputs[0] for data in files]
    wrong: list[int] = []

    def read(index: int) -> None:
        for _ in range(5):
            output = reader.examine(files[index]).outputs[0]
            same = np.allclose(output.logits, expected[index].logits, atol=1e-6)
            cells = [
                output.attributions["pneumonia"].cells,
                expected[index].attributions["pneumonia"].cells,
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


@pytest.mark.parametrize("method", HEATMAP_METHODS)
def test_every_heatmap_method_gives_a_map_on_the_films_grid(reader, method):
    output = reader.examine(png(side=300)).outputs[0]
    attribution = reader.explain(output, "cardiomegaly", method)
    assert attribution.on_film().shape == (300, 300)
    assert attribution.unit == ("logit" if method == "evidence" else "relative")


def test_the_heatmap_scale_belongs_to_the_model_not_to_the_film(reader):
    scales = {
        reader.examine(png(seed)).outputs[0].attributions["pneumonia"].scale for seed in range(3)
    }
    assert scales == {0.1}


def test_a_drawing_is_read_and_flagged_as_one(reader):
    examination = reader.examine(encode_png(draw_phantom(PhantomSpec())))
    assert "drawing" in [concern.code for concern in examination.concerns]
    assert interpret(examination, Patient(), "youden").status == "read"


def test_a_file_that_is_not_a_film_is_refused_with_a_sentence(reader):
    reading = interpret(reader.examine(b"<html>"), Patient(), "youden")
    assert (reading.status, reading.findings) == ("refused", ())
    assert reading.reason.endswith(".")


def test_a_nan_logit_is_an_error_and_never_a_probability(tmp_path):
    folder = tiny_model(tmp_path)
    classifier = Classifier.load(folder)
    broken = load_network(folder, classifier.card)
    with torch.no_grad():
        broken.head.linear.bias[0] = float("nan")
    film = draw_phantom(PhantomSpec())
    with pytest.raises(ReadingError, match="finite"):
        Classifier(card=classifier.card, network=broken).read(film)


def test_an_output_of_an_uninstalled_model_is_not_explained_by_another(reader, tmp_path):
    other = Classifier.load(tiny_model(tmp_path, tiny_card("gone")))
    output = other.read(draw_phantom(PhantomSpec()))
    with pytest.raises(ModelError, match="reads films no more"):
        reader.explain(output, "pneumonia", "evidence")


def test_without_models_a_film_is_refused_not_called_normal(tmp_path):
    with Reader.installed([]) as empty:
        reading = interpret(empty.examine(png()), Patient(), "youden")
    assert reading.status == "refused"
    assert "No model is installed" in reading.reason

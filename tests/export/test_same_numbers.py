"""An exported network gives the numbers of the model, in either library and for any number of films."""

import numpy as np
import pytest
import torch

from cxr_core.film.preprocess import normalise_grids
from cxr_core.models.exported.runtimes import DESCRIPTORS, FEATURES, LOGITS, build_runtime
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Examination

BACKENDS = ("onnx", "openvino")
SHAPE = (64, 64)


@pytest.fixture(params=BACKENDS)
def exported(request):
    return request.getfixturevalue(f"in_{request.param}")


@pytest.mark.parametrize("count", [1, 3])
def test_every_output_is_that_of_torch(tiny, exported, grids, count):
    films = normalise_grids(grids[:count], tiny.card.input_spec)
    with torch.inference_mode():
        network = tiny.network
        features = network.forward_features(torch.from_numpy(films))
        expected = {LOGITS: network.forward_head(features), FEATURES: features}
        _, (*maps,) = network.forward_with_middle_maps(torch.from_numpy(films))
    runtime = build_runtime(exported.backend, exported.files, cores=1)
    found = dict(zip(runtime.outputs, runtime.run(films), strict=True))
    assert set(found) == {LOGITS, FEATURES, DESCRIPTORS}
    for name, tensor in expected.items():
        assert found[name].shape == tuple(tensor.shape)
        np.testing.assert_allclose(found[name], tensor.numpy(), atol=1e-4)
    # By NumPy, in double precision: means and standard deviations of each channel.
    statistics = []
    for one in maps:
        cells = one.numpy().astype(np.float64)
        statistics += [cells.mean(axis=(2, 3)), cells.std(axis=(2, 3))]
    np.testing.assert_allclose(found[DESCRIPTORS], np.concatenate(statistics, 1), atol=1e-4)


def test_a_reading_is_the_same_and_names_what_computed_it(tiny, exported, grids):
    shapes = [SHAPE] * len(grids)
    by_torch = tiny.read_grids(grids, shapes)
    by_export = exported.use_in(tiny).read_grids(grids, shapes)
    for expected, found in zip(by_torch, by_export, strict=True):
        np.testing.assert_allclose(found.logits, expected.logits, atol=1e-4)
        assert found.ood_score == pytest.approx(expected.ood_score, abs=1e-4)
        assert (expected.backend, found.backend) == ("torch", exported.backend)
        for key, attribution in found.attributions.items():
            cells = expected.attributions[key].cells
            np.testing.assert_allclose(attribution.cells, cells, atol=1e-4)
    examination = Examination(
        sha256="", film=None, concerns=(), outputs=(by_export[0],), seconds=0.0
    )
    assert interpret(examination, Patient()).to_json("a")["backends"] == {"tiny": exported.backend}


def test_the_cells_of_a_heatmap_sum_to_the_logit(tiny, exported, grids):
    """Exactly as far as float32 goes: the head that gives both is torch's own."""
    (output,) = exported.use_in(tiny).read_grids(grids[:1], [SHAPE])
    for index, finding in enumerate(tiny.card.findings):
        bias = float(tiny.network.head.linear.bias[index])
        total = float(output.attributions[finding].cells.astype(np.float64).sum())
        assert total == pytest.approx(float(output.logits[index]) - bias, abs=1e-5)


def test_heatmaps_of_other_methods_come_from_the_exported_features(tiny, exported, grids):
    (expected,) = tiny.read_grids(grids[:1], [SHAPE])
    (found,) = exported.use_in(tiny).read_grids(grids[:1], [SHAPE])
    np.testing.assert_allclose(found.features, expected.features, atol=1e-4)

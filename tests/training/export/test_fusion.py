"""train.combine writes the ratio's part into a card where it helps, and leaves the card alone where it does not."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from cxr_core.data.prepare import open_data
from cxr_core.errors import DataError
from cxr_core.models.store import load_card
from cxr_core.training.export import fusion
from cxr_core.training.export.fusion import fuse_with_ratio
from tests.reading.fitting.test_noisy_labels import make_noise
from tests.tiny import tiny_card, tiny_model
from train.combine import _warn_of_another_split

pytestmark = pytest.mark.training

COUNT = 120


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Films whose grey says how wide the heart is, and wide hearts are labelled more often."""
    folder = tmp_path_factory.mktemp("data")
    chance = np.random.default_rng(0)
    lines = ["image,patient,cardiomegaly"]
    for index in range(COUNT):
        ratio = chance.uniform(0.4, 0.65)
        grey = np.full((48, 48), round(255 * ratio)) + chance.integers(-3, 4, (48, 48))
        cv2.imwrite(str(folder / f"{index}.png"), grey.astype(np.uint8))
        lines.append(f"{index}.png,{index // 2},{int(ratio + chance.normal(0, 0.03) > 0.53)}")
    (folder / "films.csv").write_text("\n".join(lines) + "\n")
    return folder


class Fake:
    """An outliner that reads the ratio off the grey, or makes one up."""

    card = SimpleNamespace(model="anatomy", version="9.9")

    def __init__(self, telling: bool):
        self.telling, self.chance = telling, np.random.default_rng(1)

    def of(self, grid: np.ndarray):
        ratio = float(grid.mean() / 255) if self.telling else float(self.chance.uniform(0.4, 0.65))
        return SimpleNamespace(ratio=ratio, errors=(), half_width=0.02, taper=1.0)


@pytest.fixture
def fake(monkeypatch):
    def choose(telling: bool) -> Fake:
        outliner = Fake(telling)
        greys = lambda films: [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in films.paths]  # noqa: E731
        monkeypatch.setattr(
            fusion,
            "segment_films",
            lambda _, films, *__: [outliner.of(grey) for grey in greys(films)],
        )
        return outliner

    return choose


def test_a_telling_ratio_enters_the_card(data, fake, tmp_path, workspace):
    folder = tiny_model(tmp_path, tiny_card("heart", ("cardiomegaly",)))
    found = fuse_with_ratio(folder, fake(True), open_data([data]))
    assert found.loss_fused < found.loss_alone
    assert found.films == COUNT
    kept = load_card(folder).fusion["cardiomegaly"]
    assert kept == found.fusion
    assert (kept.model, kept.centre) == ("anatomy 9.9", 0.5)
    assert kept.measured > 5
    # At most that of ratios between 0.4 and 0.65; the network tells a part of it.
    assert 0.25**2 / 12 / 4 < kept.ratio_variance < 0.25**2 / 12
    assert {point.name for point in kept.operating_points} == {
        "youden",
        "sensitivity_95",
        "specificity_95",
    }
    assert [decision.name for decision in kept.decisions] == ["standard", "strict"]


def test_a_ratio_that_tells_nothing_stays_out(data, fake, tmp_path, workspace):
    folder = tiny_model(tmp_path, tiny_card("heart", ("cardiomegaly",)))
    before = (folder / "card.json").read_text()
    found = fuse_with_ratio(folder, fake(False), open_data([data]))
    assert found.fusion is None
    assert found.rejection == "the ratio alone is not known to discriminate"
    assert (folder / "card.json").read_text() == before
    fuse_with_ratio(folder, fake(True), open_data([data]))
    assert load_card(folder).fusion
    fuse_with_ratio(folder, fake(False), open_data([data]))
    assert (folder / "card.json").read_text() == before, "one that no longer helps goes"


def test_a_ratio_that_makes_the_probability_worse_stays_out(
    data, fake, tmp_path, workspace, monkeypatch
):
    folder = tiny_model(tmp_path, tiny_card("heart", ("cardiomegaly",)))
    films = open_data([data])
    truth = films.table["cardiomegaly"].to_numpy(float)
    known = np.where(truth == 1, 0.999, 0.001) + np.random.default_rng(2).uniform(
        -1e-4, 1e-4, COUNT
    )
    monkeypatch.setattr(
        fusion, "_predict_finding", lambda *_: (np.log(known / (1 - known)), known)
    )  # a network that needs no ratio
    found = fuse_with_ratio(folder, fake(True), films)
    assert found.fusion is None
    assert found.rejection == "it worsens the probability"


def test_films_without_labels_are_refused(data, fake, tmp_path, workspace):
    films = open_data([data])
    with pytest.raises(DataError, match="no labels for cardiomegaly"):
        fuse_with_ratio(
            tiny_model(tmp_path, tiny_card("heart", ("cardiomegaly",))),
            fake(True),
            films.with_table(films.table.drop(columns="cardiomegaly")),
        )


def test_known_noise_of_the_labels_calibrates_network_and_fusion_to_readers(
    data, fake, tmp_path, workspace
):
    folder = tiny_model(tmp_path, tiny_card("heart", ("cardiomegaly",)))
    before = load_card(folder)
    found = fuse_with_ratio(folder, fake(True), open_data([data]), noise=make_noise(0.6, 0.01))
    card = load_card(folder)
    assert card.label_noise["cardiomegaly"].sensitivity.value == 0.6
    assert card.prevalence["cardiomegaly"] > found.positives / found.films
    assert card.calibration["cardiomegaly"] != before.calibration["cardiomegaly"]
    assert card.fusion["cardiomegaly"] == found.fusion
    assert card.label_repair["cardiomegaly"] == found.repair
    assert set(found.repair.with_ratio) == set(found.repair.with_all_labels)
    again = fuse_with_ratio(folder, fake(True), open_data([data]))
    assert again.noise == found.noise, "the card's own noise is used where none is given"


def test_another_split_than_that_of_the_training_is_said(data, workspace, capsys):
    films = open_data([data])
    films = films.with_table(films.table.assign(split=["train", "val"] * (COUNT // 2)))
    own = tiny_card(training={"data": {"split_sha256": films.split_sha256()}})
    _warn_of_another_split(own, films)
    assert capsys.readouterr().err == ""
    fewer = films.with_table(films.table.iloc[1:])
    _warn_of_another_split(own, fewer)
    assert "The validation films are not those of tiny" in capsys.readouterr().err

"""What would end a run is said before any film is decoded, with the way out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cxr_core.errors import SilhouetteError
from cxr_core.models.networks import imagenet
from cxr_core.training import fit as fitting
from cxr_core.training.fit import FitOptions, fit
from tests.jobs.job_control import TINY
from tests.lit_films import lit_films
from train.fit import main as fit_command

OPTIONS = FitOptions(report=lambda _: None, device="cpu")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Films in class folders; their file names do not tell an age."""
    return lit_films(tmp_path / "data", train=4, test=2)


@pytest.fixture(autouse=True)
def _without_decoding(monkeypatch: pytest.MonkeyPatch, workspace: Path) -> None:
    def refuse(*_: Any) -> None:
        pytest.fail("films were decoded")

    monkeypatch.setattr(fitting, "open_run_data", refuse)
    monkeypatch.setattr(imagenet, "hf_hub_url", lambda *_: "http://127.0.0.1:9/weights")
    monkeypatch.setattr(imagenet, "try_to_load_from_cache", lambda *_: None)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"init": "imagenet"}, "hub is out of reach. Start from random weights"),
        ({"init": "/no/such.safetensors"}, "is no file and no model folder"),
        ({"backbone": "mobilenet_of_mine"}, "timm has no backbone"),
        ({"freeze": "backbone"}, "start from ImageNet, a file or a model, or set freeze='none'"),
        ({"findings": ("cardiomegaly",)}, "Labelled: pneumonia. Choose a recipe for that"),
        ({"region_weight": 1.0, "findings": ("pneumonia",)}, "no segmenter is installed"),
    ],
)
def test_a_run_that_cannot_start_says_why_before_any_film_is_decoded(
    changes: dict[str, Any], says: str, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cxr_core.training.tasks.segmentation_inputs.find_segmenter", lambda: None)
    with pytest.raises(SilhouetteError) as error:
        fit(replace(TINY, **changes), [dataset], OPTIONS)
    assert says in str(error.value)
    assert "--" not in str(error.value), "a sentence for pages too, which have no flags"


def test_an_age_limit_that_leaves_no_film_says_so_in_the_shell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(tmp_path / "old", lambda number: 60 + number)
    arguments = ["pneumonia-cnn-grey", "--data", str(tmp_path / "old")]
    assert fit_command(arguments) == 3
    error = capsys.readouterr().err
    assert "it takes ages from 1 to 5, and these patients are 60 to 65 years old" in error


def write_table(folder: Path, age_of: Callable[[int], int]) -> None:
    folder.mkdir()
    rows = ["image,patient,age,pneumonia"]
    for number in range(6):
        (folder / f"{number}.png").write_bytes(b"never opened")
        rows.append(f"{number}.png,p{number},{age_of(number)},{number % 2}")
    (folder / "labels.csv").write_text("\n".join(rows), encoding="utf-8")

"""An estimate before the start: it follows from what was measured, and says why when it cannot be told."""

from dataclasses import replace
from pathlib import Path

import pytest

from cxr_core.data.prepare import prepare_dataset
from cxr_core.errors import DataError
from cxr_core.jobs import estimate as probe
from cxr_core.jobs.estimate import estimate
from cxr_core.jobs.estimate_worker import count
from cxr_core.jobs.job import TrainingRequest
from tests.training.test_resume import RESTLESS, films

__all__ = ["films"]
FOUND = {
    "train": 70,
    "val": 10,
    "undecoded": 5,
    "outlined": 0,
    "validation_film_s": 0.5,
    "step_s": 2.0,
    "steps": 9,
    "memory_mb": 300.0,
}


def asked(data: Path, **changes) -> TrainingRequest:
    return TrainingRequest(
        recipe=replace(RESTLESS, **changes), data=(str(data),), token="one", device="cpu"
    )


@pytest.mark.parametrize("region_weight", [0.0, 10.0])
def test_a_probe_of_a_real_recipe_tells_time_and_memory(
    films: Path, workspace: Path, region_weight: float
) -> None:
    prepare_dataset([films])
    told = estimate(asked(films, region_weight=region_weight), limit_s=240)
    assert told.films == 28
    assert told.undecoded == 28
    assert told.duration_s is not None
    assert told.duration_s > 0
    assert told.memory_mb is not None
    assert 100 < told.memory_mb < 8000
    assert "Decoding 28 films comes before it." in told.sentence
    outlined = count(asked(films, region_weight=region_weight).recipe, [films])["train"]
    assert (f"So does outlining the hearts on {outlined}." in told.sentence) == (region_weight > 0)


def test_data_that_is_not_prepared_is_told_so(films: Path, workspace: Path) -> None:
    with pytest.raises(DataError, match=r"The data has not been prepared yet\."):
        count(RESTLESS, [films])


def test_the_time_is_that_of_all_steps_and_all_validation(
    films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "_probe", lambda *_: (FOUND, ""))
    told = estimate(asked(films, epochs=3, batch_size=8))
    assert told.duration_s == 3 * (8 * 2.0 + 10 * 0.5)
    assert told.images_per_second == 4.0
    assert told.sentence == (
        "About 63 s for 3 epochs of 70 films, and 300 MiB of memory; measured over 9 steps at 4 images/s. "
        "Decoding 5 films comes before it."
    )


def test_a_probe_can_be_stopped_runs_out_of_time_or_dies(
    films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        probe, "PROGRAM", "timeit"
    )  # takes no heed of what it is told, and is busy for a while
    assert estimate(asked(films), stop=lambda: True).sentence == "The probe was stopped."
    assert estimate(asked(films), limit_s=0.0).sentence.startswith(
        "Not one step could be measured within 0 s"
    )
    monkeypatch.setattr(probe, "PROGRAM", "no_such_module")
    assert estimate(asked(films), limit_s=240).sentence.startswith(
        "The probe was ended by the system"
    )

"""An estimate before the start: it follows from what was measured, and says why when there is none."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_core.data.prepare import prepare_dataset
from cxr_core.errors import DataError
from cxr_core.jobs import estimate as estimating
from cxr_core.jobs import estimate_worker
from cxr_core.jobs.estimate import Measurements, estimate
from cxr_core.jobs.estimate_worker import count_films
from cxr_core.jobs.job import TrainingRequest
from tests.jobs.job_control import TINY
from tests.lit_films import lit_films

pytestmark = pytest.mark.process

MEASURED = Measurements(
    train=70,
    val=10,
    undecoded=5,
    validation_film_s=0.5,
    output_film_s=0.1,
    step_s=2.0,
    steps=9,
    memory_mb=300.0,
)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """28 films whose labels are easy to learn."""
    return lit_films(tmp_path / "films", train=14, test=4)


def request_for(data: Path, **changes: object) -> TrainingRequest:
    recipe = replace(TINY, **changes)  # type: ignore[arg-type]
    return TrainingRequest(recipe=recipe, data=(str(data),), token="one", device="cpu")


@pytest.mark.parametrize("region_weight", [0.0, 10.0])
def test_a_real_recipe_is_measured_in_time_and_memory(
    films: Path, workspace: Path, region_weight: float
) -> None:
    prepare_dataset([films])
    request = request_for(films, region_weight=region_weight)
    counts = count_films(request.recipe, [films])
    answer = estimate(request, limit_s=240)
    assert answer.films == answer.undecoded == counts["train"] + counts["val"] == 28
    assert answer.duration_s is not None
    assert answer.duration_s > 0
    assert answer.memory_mb is not None
    assert 100 < answer.memory_mb < 8000
    assert "Decoding 28 films comes before it." in answer.sentence
    segmenting = f"So does segmenting the hearts on {counts['train']}."
    assert (segmenting in answer.sentence) == (region_weight > 0)


def test_data_that_is_not_prepared_says_so(films: Path, workspace: Path) -> None:
    with pytest.raises(DataError, match=r"The data has not been prepared yet\."):
        count_films(TINY, [films])


def test_the_time_is_that_of_all_steps_and_all_validation(
    films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimating, "_measure", lambda *_: (MEASURED, ""))
    answer = estimate(request_for(films, epochs=3, batch_size=8))
    assert answer.duration_s == 3 * (8 * 2.0 + 10 * 0.5) + 80 * 0.1
    assert answer.images_per_second == 4.0
    assert answer.sentence == (
        "About 71 s for 3 epochs of 70 films, and 300 MiB of memory; measured over 9 steps at 4 images/s. "
        "Decoding 5 films comes before it."
    )


def test_it_computes_at_the_priority_of_a_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Only the measuring process: those that started it keep theirs."""
    monkeypatch.setenv("CXR_RUN_NICENESS", "7")
    program = (
        "import os; from cxr_core.jobs.estimate_worker import take_priority_of_run; "
        "take_priority_of_run(); print(os.nice(0), os.getsid(0) == os.getpid())"
    )
    before = os.nice(0)
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert child.stdout.split() == [str(min(19, before + 7)), "True"]
    assert os.nice(0) == before
    called = []
    monkeypatch.setattr(estimate_worker, "take_priority_of_run", lambda: called.append("priority"))
    monkeypatch.setattr(estimate_worker, "connect_to_parent", FakeParent)
    monkeypatch.setattr(estimate_worker, "measure", lambda *_: called.append("measured"))
    monkeypatch.setattr(os, "_exit", called.append)
    estimate_worker.main()
    assert called == ["priority", "measured", 0]


class FakeParent:
    def receive(self) -> None:
        return None


def test_a_measurement_can_be_stopped_runs_out_of_time_or_dies(
    films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It ignores what it is sent, and is busy for a while.
    monkeypatch.setattr(estimating, "WORKER", "timeit")
    assert estimate(request_for(films), stop=lambda: True).sentence == "The estimate was stopped."
    out_of_time = estimate(request_for(films), limit_s=0.0).sentence
    assert out_of_time.startswith("Not one step could be measured within 0 s")
    monkeypatch.setattr(estimating, "WORKER", "no_such_module")
    killed = estimate(request_for(films), limit_s=240).sentence
    assert killed.startswith("The measurement was ended by the system")

"""Counting a site's readings by week: what is kept and what never is, several writers, a full disk, and the switch."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cxr_core.film.quality_flag import QualityFlag
from cxr_core.reading.interpret import interpret
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import Examination, Reading
from cxr_core.site import watching
from cxr_core.site.watching import Watcher, Week, is_watching, name_week, read_weeks
from tests.reading.test_interpret import ADULTS, CHILDREN, examination, output

ROOT = Path(__file__).parents[2]
CHILD = Patient(age_years=4)
MOMENT = datetime(2026, 12, 1, 23, 30, tzinfo=UTC)
ROTATED = QualityFlag("rotated", "The patient is rotated.")


@pytest.fixture(autouse=True)
def site(workspace: Path) -> Path:
    """The folder of a site that has had an acceptance test."""
    folder = workspace / "site"
    folder.mkdir(parents=True)
    return folder


def read(probability: float, patient: Patient = CHILD, **film: object) -> Reading:
    return interpret(examination(output(CHILDREN, probability), **film), patient, "balanced")  # type: ignore[arg-type]


def only_week() -> Week:
    (week,), problems = read_weeks()
    assert problems == ()
    return week


def test_readings_are_counted_by_log_odds_verdict_and_flag():
    watcher = Watcher()
    # Log-odds of 0.2 and 0.9 are -1.386 and 2.197: bins of a quarter from -1.5 and from 2.0 on.
    for probability in (0.2, 0.2, 0.9):
        watcher.add(read(probability), MOMENT)
    watcher.add(read(0.5, concerns=(ROTATED,)), MOMENT)
    week = only_week()
    assert (week.week, week.read, week.refused) == ("2026-W49", 4, 0)
    assert week.flags == {"rotated": 1}
    counts = week.find("lung", "1.0.0", "pneumonia")
    assert counts.log_odds == {"-6": 2, "8": 1, "0": 1}
    assert counts.verdicts == {"absent": 2, "present": 2}
    assert (counts.films, counts.undecided_share) == (4, 0.0)


def test_refused_and_undecided_films_are_shares_of_the_week():
    watcher = Watcher()
    refused = Examination(
        sha256="00",
        film=None,
        concerns=(QualityFlag("not_a_chest", "No chest.", withholds_reading=True),),
        outputs=(),
        seconds=0.0,
    )
    inverted = QualityFlag("inverted", "Inverted.", withholds_call=True)
    watcher.add(interpret(refused, CHILD), MOMENT)
    for concerns in ((), (), (inverted,)):
        watcher.add(read(0.9, concerns=concerns), MOMENT)
    week = only_week()
    assert week.refused_share == 0.25
    assert week.find("lung", "1.0.0", "pneumonia").undecided_share == pytest.approx(1 / 3)
    assert week.flags == {"inverted": 1, "not_a_chest": 1}


def test_models_for_other_patients_and_films_without_an_age_are_not_counted_for_a_model():
    watcher = Watcher()
    watcher.add(read(0.9, Patient()), MOMENT)
    watcher.add(read(0.9, Patient(age_years=60)), MOMENT)
    week = only_week()
    assert (week.read, week.findings) == (2, ())


def test_drawings_of_the_program_are_no_films_of_the_site(site):
    drawing = QualityFlag("drawing", "A drawing.")
    Watcher().add(read(0.9, concerns=(drawing,)), MOMENT)
    assert not (site / "watching").exists()


def test_no_film_no_name_no_hash_and_no_time_of_day_is_kept(site):
    film = examination(output(CHILDREN, 0.31), output(ADULTS, 0.77), age_years=4.25)
    secret = "5ec2e7" * 10
    reading = interpret(
        Examination(
            sha256=secret, film=film.film, concerns=(), outputs=film.outputs, seconds=1.2345
        ),
        Patient(),
    )
    Watcher().add(reading, MOMENT)
    (path,) = (site / "watching").glob("*.json")
    text = path.read_text()
    assert secret not in text
    assert not re.search(r"\d\d:\d\d|2026-12|4\.25|1\.23|file|name|patient", text)
    assert set(json.loads(text)) <= {"schema", "week", "read", "refused", "flags", "findings"}
    # A count is all that is said of a film: no number of its own.
    assert not re.search(r"\d\.\d", text.replace('"1.0.0"', ""))


def test_nothing_is_kept_before_the_site_has_a_folder_or_once_it_is_switched_off(site, monkeypatch):
    monkeypatch.setenv("CXR_SITE_WATCHING", "off")
    Watcher().add(read(0.9), MOMENT)
    assert not is_watching()
    monkeypatch.delenv("CXR_SITE_WATCHING")
    assert is_watching()
    site.rmdir()
    Watcher().add(read(0.9), MOMENT)
    assert not site.exists()


COUNT = """
from tests.site.test_watching import MOMENT, Watcher, read
watcher = Watcher()
for _ in range(25):
    watcher.add(read(0.9), MOMENT)
assert watcher.write(60.0)
"""


@pytest.mark.process
def test_several_processes_lose_no_reading(workspace):
    environment = {**os.environ, "CXR_WORKSPACE": str(workspace)}
    counting = [
        subprocess.Popen([sys.executable, "-c", COUNT], cwd=ROOT, env=environment) for _ in range(4)
    ]
    assert [process.wait(120) for process in counting] == [0, 0, 0, 0]
    week = only_week()
    assert week.read == 100
    assert week.find("lung", "1.0.0", "pneumonia").films == 100


def test_a_full_disk_stops_no_reading_and_what_was_counted_is_written_later(monkeypatch):
    watcher = Watcher()

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(watching, "write_json", fail)
        watcher.add(read(0.9), MOMENT)
        watcher.add(read(0.2), MOMENT)
        assert not watcher.write()
    assert read_weeks() == ((), ())
    watcher.add(read(0.5), MOMENT)
    assert only_week().read == 3


def test_a_folder_that_cannot_be_written_stops_no_reading(site):
    (site / "watching").write_text("a file where the folder should be")
    watcher = Watcher()
    watcher.add(read(0.9), MOMENT)
    assert not watcher.write()


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"week": "2026-W01"}', b'{"week": "2026-W49", "read": -3}']
)
def test_damaged_statistics_are_told_moved_aside_and_begun_anew(site, content):
    path = site / "watching" / "2026-W49.json"
    path.parent.mkdir()
    path.write_bytes(content)
    weeks, problems = read_weeks()
    assert weeks == ()
    assert "2026-W49" in problems[0]
    Watcher().add(read(0.9), MOMENT)
    assert only_week().read == 1
    assert (site / "watching" / "damaged-2026-W49.json").read_bytes() == content


def test_only_the_last_two_years_are_kept(site):
    folder = site / "watching"
    folder.mkdir()
    for year in (2023, 2024, 2025):
        for week in range(1, 53):
            name = f"{year}-W{week:02}"
            (folder / f"{name}.json").write_text(json.dumps(Week(week=name, read=1).to_json()))
    Watcher().add(read(0.9), MOMENT)
    weeks, _ = read_weeks()
    assert len(weeks) == watching.KEPT_WEEKS
    assert weeks[-1].week == "2026-W49"


def test_weeks_are_those_of_iso_8601_in_utc():
    assert name_week(datetime(2027, 1, 1, tzinfo=UTC)) == "2026-W53"
    assert name_week(datetime.fromisoformat("2026-12-07T00:30:00+02:00")) == "2026-W49"


def test_a_reading_costs_a_file_of_a_few_kilobytes(site):
    watcher = Watcher()
    for number in range(1, 100):
        watcher.add(read(number / 100), MOMENT)
    (path,) = (site / "watching").glob("*.json")
    assert path.stat().st_size < 4000

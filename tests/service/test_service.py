"""Films read over HTTP by the models that ship: the answers of the shell, to each client its own."""

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from highdicom.sr import Comprehensive3DSR
from jsonschema import Draft202012Validator
from pydicom import dcmread

from cxr_core.reading.site_profile import ModelProfile
from cxr_core.site import profile_store
from cxr_core.site.watching import read_weeks
from pages.components.service.description import describe_service
from tests.browser.served_app import ROOT, STREAMLIT, find_server, serve
from tests.dicom_io.bench import film_file
from tests.service.clients import (
    READ,
    count,
    draw_film,
)
from tests.test_readme import blocks

DOCUMENT = ROOT / "docs/service.md"
OTHER_SITE = "https://elsewhere.example"
pytestmark = [pytest.mark.process, pytest.mark.training]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CXR_SERVICE", "on")
        yield from serve(STREAMLIT, folder)


@pytest.fixture(scope="module")
def film() -> bytes:
    return draw_film(1)


@pytest.fixture(scope="module")
def real_films() -> list[Path]:
    """A real film where there are any; drawn ones are read everywhere."""
    data = Path(os.environ.get("CXR_REAL_DATA", ROOT.parent / "shared" / "data"))
    return sorted((data / "nih_originals_1024" / "images").glob("*.png"))[:1]


def find_undescribed(answer: dict[str, Any]) -> list[str]:
    """Where an answer of a reading differs from its schema; a field that no schema names differs too."""
    schemas = json.loads(json.dumps(describe_service()["components"]["schemas"]))
    text = json.dumps({**schemas["Reading"], "components": {"schemas": schemas}})
    strict = json.loads(
        text.replace('"type": "object",', '"type": "object", "additionalProperties": false,')
    )
    return [
        f"{error.json_path}: {error.message}"
        for error in Draft202012Validator(strict).iter_errors(answer)
    ]


def read_by_shell(paths: Sequence[Path], *options: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "cxr_core", "read", *map(str, paths), "--json", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def assert_same(found: Any, expected: Any) -> None:
    """Equal but for the last digits of numbers: the shell reads its films in one batch."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for name in expected:
            assert_same(found[name], expected[name])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for pair in zip(found, expected, strict=True):
            assert_same(*pair)
    else:
        assert found == (pytest.approx(expected, rel=1e-4) if type(expected) is float else expected)


def post(address: str, data: bytes, **options: Any) -> httpx.Response:
    return httpx.post(address + READ, content=data, timeout=60, **options)


def test_a_film_gets_the_answer_of_the_shell(
    address: str, film: bytes, tmp_path: Path, real_films: list[Path]
) -> None:
    options = {"age": "54", "view": "PA", "decision": "strict", "prevalence": "cardiomegaly=0.1"}
    drawn = tmp_path / "drawn.png"
    drawn.write_bytes(film)
    broken = tmp_path / "broken.png"
    broken.write_bytes(film[:5000])
    paths = [drawn, broken, *real_films]
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    for path, expected in zip(paths, read_by_shell(paths, *words), strict=True):
        files = {"file": (path.name, path.read_bytes())}
        answer = httpx.post(address + READ, files=files, params=options, timeout=60)
        assert answer.status_code == 200
        assert_same(answer.json() | {"seconds": 0}, expected | {"file": path.name, "seconds": 0})
        assert find_undescribed(answer.json()) == []


def test_a_refused_film_is_an_answer_with_the_reason(address: str) -> None:
    for data, code in ((b"no film at all", None), (b"", "empty")):
        answer = post(address, data)
        assert answer.status_code == 200
        assert answer.json()["status"] == "refused"
        assert answer.json()["findings"] == []
        assert answer.json()["reason"]
        assert find_undescribed(answer.json()) == []
        if code:
            assert answer.json()["concerns"][0]["code"] == code
            assert count(address, f'silhouette_refusals_total{{code="{code}"}}') == 1


def test_eight_clients_at_once_get_each_the_answer_of_its_own_film(address: str) -> None:
    films = [draw_film(seed, 256) for seed in range(8)]
    alone = [post(address, film).json() for film in films]
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda film: post(address, film), films))
    assert [answer.status_code for answer in answers] == [200] * 8
    for film, before, answer in zip(films, alone, answers, strict=True):
        assert answer.json()["sha256"] == hashlib.sha256(film).hexdigest()
        assert answer.json() | {"seconds": 0} == before | {"seconds": 0}
    assert len({answer.json()["findings"][0]["logit"] for answer in answers}) == 8


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("age=old", "the option age: an age is a number of years from 0 to 120, not 'old'"),
        ("view=LATERAL", "the option view: found 'LATERAL'; choose from PA, AP"),
        ("decision=best", "the option decision: found 'best'; choose from standard"),
        ("prevalence=2", "the option prevalence"),
        ("operating=x", "unknown option 'operating'; choose from age, view, decision, prevalence"),
        ("age=5&age=50", "the option age comes more than once"),
    ],
)
def test_a_wrong_option_is_named(address: str, film: bytes, query: str, says: str) -> None:
    answer = httpx.post(f"{address}{READ}?{query}", content=film)
    assert answer.status_code == 400
    assert says in answer.json()["error"]


def test_a_form_must_hold_one_file(address: str, film: bytes) -> None:
    two = [("file", ("a.png", film)), ("file", ("b.png", film))]
    for form in (
        {"files": two},
        {"files": {"age": (None, "54")}},
        {"files": {"a": ("a.png", film)}, "data": {"b": "c"}},
    ):
        answer = httpx.post(address + READ, **form)
        assert answer.status_code == 400
        assert "Send one film" in answer.json()["error"]
    answer = post(address, film, headers={"Content-Type": "multipart/form-data"})
    assert answer.status_code == 400
    assert "boundary" in answer.json()["error"]


def test_a_dicom_film_gets_a_structured_report_of_its_study(address: str) -> None:
    data = film_file()
    reading = post(address, data, params={"age": "50"}).json()
    answer = post(address, data, params={"age": "50"}, headers={"Accept": "application/dicom"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/dicom"
    report = dcmread(BytesIO(answer.content))
    assert report.StudyInstanceUID == dcmread(BytesIO(data)).StudyInstanceUID
    assert report.PatientName == dcmread(BytesIO(data)).PatientName
    assert Comprehensive3DSR.from_dataset(report)
    assert str(report.PatientName) not in json.dumps(reading)
    numbers = [float(item.NumericValue) for item in _walk(report) if "NumericValue" in item]
    shown = [f["probability"] for f in reading["findings"] if f["probability"] is not None]
    assert shown
    for probability in shown:
        assert any(
            abs(number - part) < 0.006
            for number in numbers
            for part in (probability, 100 * probability)
        )


def _walk(item: Any) -> Iterator[Any]:
    for sequence in ("ContentSequence", "MeasuredValueSequence"):
        for child in item.get(sequence, ()):
            yield child
            yield from _walk(child)


def test_a_film_without_a_study_gets_no_structured_report(address: str, film: bytes) -> None:
    answer = post(address, film, headers={"Accept": "application/dicom"})
    assert answer.status_code == 406
    assert "no structured report of this film" in answer.json()["error"]
    refused = post(address, b"no film", headers={"Accept": "application/dicom"})
    assert refused.status_code == 406
    assert post(address, film, headers={"Accept": "text/html"}).status_code == 406


def test_the_models_are_those_that_read_with_their_public_facts(address: str, film: bytes) -> None:
    listed = httpx.get(f"{address}/api/v1/models").json()
    models = {each["model"]: each for each in listed["models"]}
    reading = post(address, film).json()
    used = {f["model"]: f["version"] for f in reading["findings"] if f["model"]}
    assert used
    assert {name: models[name]["version"] for name in used} == used
    assert models["anatomy"]["structures"]
    assert listed["left_out"] == []
    card = json.loads(
        next(ROOT.glob("cxr_core/pretrained/pneumonia-children/**/card.json")).read_text()
    )
    figure = models["pneumonia-children"]["metrics"]["test"]["pneumonia"]["auroc"]
    assert figure == card["metrics"]["test"]["pneumonia"]["auroc"]


def test_the_service_is_ready_at_once_and_again_after_its_decoders_were_killed(
    address: str, film: bytes
) -> None:
    assert httpx.get(f"{address}/readyz").json() == {"status": "ready"}
    for child in find_server(address).children():
        if "sandbox_process" in " ".join(child.cmdline()):
            child.kill()
            psutil.wait_procs([child], timeout=5)
    answer = httpx.get(f"{address}/readyz")
    assert answer.status_code == 503
    assert "2 of the decoding processes had ended" in answer.json()["error"]
    assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{address}/readyz").json() == {"status": "ready"}
    assert post(address, film).json()["status"] == "read"


def test_figures_and_log_name_no_film(address: str, folder: Path, film: bytes) -> None:
    before = count(address, "silhouette_read_seconds_count")
    files = {"file": ("Quirkworth-Zelda.png", film)}
    assert httpx.post(address + READ, files=files).json()["file"] == "Quirkworth-Zelda.png"
    httpx.get(f"{address}/api/Quirkworth-Zelda")
    assert count(address, "silhouette_read_seconds_count") == before + 1
    digest = hashlib.sha256(film).hexdigest()
    log = (folder / "logs/silhouette.jsonl").read_text() + (folder / "server.log").read_text()
    for text in (httpx.get(f"{address}/metrics").text, log):
        assert "Quirkworth" not in text
        assert digest not in text
    assert count(address, 'silhouette_answers_total{path="other",status="404"}') >= 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "localhost", "Origin": OTHER_SITE},
        {"Host": "localhost", "Origin": "null"},
        {"Host": "localhost", "Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
        {"Host": "localhost", "Sec-Fetch-Site": "cross-site"},
        {"Host": "rebound.example"},
    ],
)
def test_a_page_of_another_site_cannot_have_a_film_read(
    address: str, film: bytes, headers: dict[str, str]
) -> None:
    before = count(address, "silhouette_read_seconds_count")
    answer = post(address, film, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"]
    preflight = httpx.options(
        address + READ, headers={"Access-Control-Request-Method": "POST", **headers}
    )
    for each in (answer, preflight):
        assert not any(name.startswith("access-control") for name in each.headers)
    assert count(address, "silhouette_read_seconds_count") == before


def test_the_profile_of_the_site_applies(
    address: str, folder: Path, film: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXR_WORKSPACE", str(folder))
    before = post(address, film, params={"age": "54"}).json()["findings"][0]
    profile = ModelProfile(
        model=before["model"],
        version=before["version"],
        finding=before["finding"],
        prevalence=0.4,
        installed_on="2026-12-01",
        films=40,
        patients=40,
    )
    profile_store.install(profile, "a test")
    try:
        after = post(address, film, params={"age": "54"}).json()
    finally:
        profile_store.revoke(profile.model, profile.finding, "a test")
    assert after["findings"][0]["prevalence"] == 0.4
    assert after["findings"][0]["site_profile"]["uses_prevalence"]
    (week,), problems = read_weeks()
    assert not problems
    assert any(counts.key[0] == profile.model for counts in week.findings), "the site counts it"
    assert find_undescribed(after) == []
    again = post(address, film, params={"age": "54"}).json()["findings"][0]
    assert again == before


@pytest.fixture
def films(tmp_path: Path, film: bytes) -> Path:
    """A folder with the films that the document's examples name."""
    (tmp_path / "film.png").write_bytes(film)
    (tmp_path / "film.dcm").write_bytes(film_file())
    return tmp_path


def test_the_python_example_of_the_document_runs(address: str, films: Path) -> None:
    (example,) = blocks(DOCUMENT, "python")
    code = example.replace("http://localhost:8501", address)
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=films, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, *findings = done.stdout.splitlines()
    assert first == "read None"
    assert [line.split()[0] for line in findings] == ["cardiomegaly", "pneumonia", "abnormality"]


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_the_curl_examples_of_the_document_run(address: str, films: Path) -> None:
    _, examples = blocks(DOCUMENT, "sh")
    answers = []
    for line in examples.splitlines():
        command = [
            "curl",
            "--silent",
            "--fail",
            *shlex.split(line.replace("http://localhost:8501", address))[1:],
        ]
        done = subprocess.run(command, cwd=films, capture_output=True, text=True, check=True)
        answers.append(done.stdout)
    first, second = map(json.loads, answers[:2])
    assert (first["file"], first["patient"]) == (
        "film",
        {"age_years": 54.0, "age_group": None, "view": "PA"},
    )
    assert (second["file"], second["findings"][0]["decision"]) == ("film.png", "strict")
    assert second["findings"][0]["prevalence"] == 0.1
    assert dcmread(films / "report.dcm").Modality == "SR"


def test_the_document_names_every_path_option_and_status() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    description = describe_service()
    for path in description["paths"]:
        assert f"| `{path}` |" in text
    for option in description["paths"][READ]["post"]["parameters"]:
        assert f"`{option['name']}`" in text
    for status in description["paths"][READ]["post"]["responses"]:
        assert status in text

"""cxr_core score from an archive: Debian's Orthanc, asked by QIDO-RS, gives its films by WADO-RS."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from cxr_core.dicom_io.pacs import dicomweb
from cxr_core.dicom_io.pacs.dicomweb import DicomwebArchive
from cxr_core.errors import ArchiveRefused, ArchiveUnreachable, Cancelled
from cxr_core.film.phantom.phantom import PhantomSpec
from cxr_core.scale.scoring import pacs_films
from cxr_core.scale.scoring.score import ScoringOptions, score_archive
from tests.dicom_io.bench import draw_film_pixels
from tests.pacs.films import IDENTITY, OTHER, STUDY, make_archive_content, make_film
from tests.pacs.orthanc import find_free_ports, serve_for_module
from tests.scale.scoring.bench import read_rows, without_times
from train.verbs.score import main

pytestmark = pytest.mark.process
orthanc = pytest.fixture(scope="module", name="orthanc")(serve_for_module)

QUERY = "pacs://main?from=2026-10-30&to=2026-11-02"
FIRST, LAST = "1.2.826.0.1.99.8.20", "1.2.826.0.1.99.8.21"  # studies of the first and the last day


@pytest.fixture
def archive(orthanc, workspace, installed):
    """The archive with four films that the query is about, and a lateral, an older one and a CT that it is not."""
    orthanc.clear()
    for data in make_archive_content():
        orthanc.add(data)
    orthanc.add(draw_chest(FIRST, 1, StudyDate="20261030"))
    orthanc.add(draw_chest(LAST, 2, StudyDate="20261102", Modality="CR"))
    name_archive(workspace, orthanc.url)
    return orthanc


def draw_chest(study: str, seed: int, **tags) -> bytes:
    return make_film(study, pixels=draw_film_pixels(PhantomSpec(seed=seed)), **tags)


def name_archive(workspace: Path, url: str) -> None:
    (workspace / "pacs.toml").write_text(f'[archives.main]\nurl = "{url}"\n')


def score(out: Path, data: str = QUERY, **options):
    return score_archive([data], out, ScoringOptions(**options))


def refuse_film(monkeypatch: pytest.MonkeyPatch, study: str, error: Exception) -> None:
    """From now on the archive does not give the films of a study."""
    fetch = DicomwebArchive._fetch

    def fetch_others(self, film):
        if film.study_uid == study:
            raise error
        return fetch(self, film)

    monkeypatch.setattr(DicomwebArchive, "_fetch", fetch_others)


def test_films_of_a_query_are_scored_as_their_files_are(archive, tmp_path, capsys):
    assert main(["--data", QUERY, "--out", str(tmp_path / "pacs")]) == 0
    assert "\n4 films\n" in capsys.readouterr().err
    files = tmp_path / "files"
    files.mkdir()
    for study in (STUDY, OTHER, FIRST, LAST):
        (files / f"{study}.dcm").write_bytes(archive.read(f"{study}.1.1"))
    score(tmp_path / "out", str(files))
    by_query, by_file = (
        sorted((row["pixels_sha256"], row["status"], str(row["outputs"])) for row in read_rows(out))
        for out in (tmp_path / "pacs", tmp_path / "out")
    )
    assert by_query == by_file
    assert {row["age_years"] for row in read_rows(tmp_path / "pacs")} == {
        row["age_years"] for row in read_rows(tmp_path / "out")
    }


def test_the_nodes_of_a_cluster_fetch_the_films_that_they_read(archive, tmp_path, cluster):
    score(tmp_path / "cluster", on=cluster.address)
    score(tmp_path / "here")
    on_cluster, here = (
        {row["file"]: without_times(row["json"]) for row in read_rows(tmp_path / out)}
        for out in ("cluster", "here")
    )
    assert len(here) == 4
    assert on_cluster == here


def test_nothing_written_or_logged_names_a_patient_or_a_study(archive, tmp_path, caplog, capfd):
    caplog.set_level("DEBUG")
    out = tmp_path / "out"
    score(out)
    manifest = pq.ParquetFile(out / "manifest.parquet").read().to_pylist()
    texts = [path.read_text() for path in out.iterdir() if path.suffix in (".json", ".jsonl")]
    written = [str(read_rows(out)), str(manifest), *texts, caplog.text, *capfd.readouterr()]
    assert QUERY in "".join(texts)
    assert not [word for word in (*IDENTITY, "OTHER1", "Other^One") if word in "".join(written)]


def test_dates_and_modality_choose_the_films(archive, tmp_path):
    assert score(tmp_path / "cr", f"{QUERY}&modality=CR").films == 1
    assert score(tmp_path / "day", "pacs://main?from=2026-11-01&to=2026-11-01").films == 2
    assert score(tmp_path / "old", "pacs://main?from=2025-03-01&to=2025-03-01").films == 1


def test_a_day_of_more_studies_than_a_page_is_listed_whole(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(dicomweb, "STUDIES_OF_A_PAGE", 1)
    assert score(tmp_path / "out", "pacs://main?from=2026-11-01&to=2026-11-01").films == 2


def test_an_archive_that_gives_the_same_page_again_is_refused(archive, tmp_path, monkeypatch):
    monkeypatch.setattr(dicomweb, "STUDIES_OF_A_PAGE", 1)
    search = DicomwebArchive._search_studies
    monkeypatch.setattr(
        DicomwebArchive, "_search_studies", lambda self, query, limit, _: search(self, query, limit)
    )
    with pytest.raises(ArchiveRefused, match="gives the first 1 studies again and again"):
        score(tmp_path / "out", "pacs://main?from=2026-11-01&to=2026-11-01")


def test_a_stopped_scoring_goes_on_and_takes_what_is_new(archive, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with pytest.raises(Cancelled):
        score(out, stop=lambda: True)
    assert score(out, resume=True).films == 4
    fetched = []
    fetch = DicomwebArchive._fetch
    monkeypatch.setattr(
        DicomwebArchive, "_fetch", lambda *a: fetched.append(a[1].study_uid) or fetch(*a)
    )
    assert score(out, resume=True).films == 4
    assert fetched == []
    archive.add(draw_chest(f"{LAST}.1", 3, StudyDate="20261102"))
    assert score(out, resume=True).films == 5
    assert fetched == [f"{LAST}.1"]
    assert len({row["file"] for row in read_rows(out)}) == len(read_rows(out)) == 5
    requests = [json.loads(line) for line in (out / "requests.jsonl").read_text().splitlines()]
    assert [(each["data"], each["films"]) for each in requests] == [
        ([QUERY], films) for films in (4, 4, 4, 5)
    ]


def test_a_film_that_the_archive_does_not_give_is_refused_and_tried_again(archive, tmp_path):
    out = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        refuse_film(patch, FIRST, ArchiveRefused("The archive has nothing at this place."))
        assert score(out).refusals["unopened"] == 1
    (row,) = [row for row in read_rows(out) if row["refusal_code"] == "unopened"]
    assert "nothing at this place" in row["reason"]
    counts = score(out, resume=True)
    assert (counts.films, "unopened" in counts.refusals) == (4, False)


def test_an_archive_that_falls_silent_ends_the_scoring_and_it_goes_on(
    archive, tmp_path, monkeypatch
):
    out = tmp_path / "out"
    monkeypatch.setattr(pacs_films, "WAITS_S", (0.0, 0.0))
    with pytest.MonkeyPatch.context() as patch:
        refuse_film(patch, LAST, ArchiveUnreachable("The archive does not answer."))
        with pytest.raises(ArchiveUnreachable):
            score(out)
    assert len(read_rows(out)) == 3  # those that came before
    assert score(out, resume=True).films == 4


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("pacs://main", "from is missing"),
        ("pacs://[main?from=2026-01-01&to=2026-01-01", "Invalid IPv6 URL"),
        ("pacs://main?from=2026-01-01", "to is missing"),
        ("pacs://main?from=2026-01-01&to=tomorrow", "from or to is not a date such as 2026-01-31"),
        ("pacs://main?from=2026-02-01&to=2026-01-01", "the first date is after the last one"),
        (f"{QUERY}&patient=7", "'patient' is not understood"),
        ("pacs://main/studies?from=2026-01-01&to=2026-01-01", "'studies' is not understood"),
        (f"{QUERY}&modality=CT", "films are filed as CR, DX, DR, RG, not as 'CT'"),
        (QUERY.replace("main", "other"), "names no archive 'other'; choose from main"),
        (QUERY.replace("-11-02", "-10-30").replace("2026", "1999"), "has no films"),
    ],
)
def test_a_query_that_cannot_be_asked_is_answered_with_a_sentence(
    data, says, archive, tmp_path, capsys
):
    assert main(["--data", data, "--out", str(tmp_path / "out")]) == 3
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("", "the workspace has no pacs.toml"),
        ('host = "127.0.0.1"\nport = 104\nae_title = "PACS"', "by DICOM's own protocol"),
        ('url = "http://127.0.0.1:{port}/dicom-web"', "does not answer"),
    ],
)
def test_an_archive_that_cannot_be_asked_is_named(settings, says, tmp_path, workspace, capsys):
    if settings:
        (port,) = find_free_ports(1)
        text = f"[archives.main]\n{settings.format(port=port)}\n"
        workspace.mkdir(exist_ok=True)
        (workspace / "pacs.toml").write_text(text)
    assert main(["--data", QUERY, "--out", str(tmp_path / "out")]) == 3
    assert says in capsys.readouterr().err

"""Scoring on a Ray cluster: the same rows as on this machine, whatever ends meanwhile."""

import json
import socket
import sys
from pathlib import Path

import pytest

from cxr_core.errors import ScaleError
from cxr_core.scale.scoring.score import ScoringOptions, score_archive
from tests.scale.local_cluster import list_workers
from tests.scale.scoring.bench import draw_films, read_rows, without_times

pytestmark = pytest.mark.process


@pytest.fixture
def films(tmp_path):
    folder = draw_films(tmp_path / "films", 22)
    (folder / "bad.png").write_bytes(b"nothing of the kind")
    (folder / "copy.png").write_bytes((folder / "001.png").read_bytes())
    return folder


def rows_by_name(out: Path) -> dict[str, dict]:
    rows = read_rows(out)
    assert len({row["file"] for row in rows}) == len(rows)
    return {Path(row["file"]).name: without_times(row["json"]) for row in rows}


def test_a_cluster_gives_the_rows_of_this_machine_though_a_worker_is_killed(
    installed, films, tmp_path, cluster
):
    killed = []

    def kill_one(progress):
        if not killed and progress.done >= 8:
            killed.extend(list_workers("FilmScorer")[:1])
            killed[0].kill()

    options = ScoringOptions(films_per_shard=8, on=cluster.address, tell=kill_one)
    counts = score_archive([str(films)], tmp_path / "ray", options)
    assert killed
    assert (counts.films, counts.repeats, dict(counts.refusals)) == (24, 1, {"undecodable": 1})
    score_archive([str(films)], tmp_path / "local", ScoringOptions())
    assert rows_by_name(tmp_path / "ray") == rows_by_name(tmp_path / "local")
    manifest = json.loads((tmp_path / "ray" / "manifest.json").read_text())
    assert manifest["counts"]["films"] == 24


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_a_cluster_that_is_not_there_is_told_at_once(installed, films, tmp_path):
    pytest.importorskip("ray", reason="needs the extra `cluster`")
    for address in (f"ray://127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"):
        with pytest.raises(ScaleError, match=r"there is no Ray cluster at .* use --on local"):
            score_archive([str(films)], tmp_path / "out", ScoringOptions(on=address))
    with pytest.raises(ScaleError, match="'somewhere' is not the address of a cluster"):
        score_archive([str(films)], tmp_path / "out", ScoringOptions(on="somewhere"))
    assert not (tmp_path / "out").exists()


def test_without_ray_a_sentence_says_how_to_install_it(installed, films, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ScaleError, match=r"needs the package ray; install it with: pip install"):
        score_archive([str(films)], tmp_path / "out", ScoringOptions(on="127.0.0.1:6379"))

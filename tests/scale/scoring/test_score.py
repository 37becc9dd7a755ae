"""cxr_core score on this machine: what it writes, how it goes on, and what it refuses before a film is read."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from cxr_core import __main__ as command
from cxr_core.data.manifest import Manifest, build_table
from cxr_core.data.registry import DatasetRecord
from cxr_core.errors import Cancelled, DataError, ScaleError
from cxr_core.models.registry import registry
from cxr_core.reading.reader import Reader
from cxr_core.scale.scoring import film_list
from cxr_core.scale.scoring.columns import COLUMNS, FINDING_COLUMNS
from cxr_core.scale.scoring.film_files import list_storage, read_film_bytes
from cxr_core.scale.scoring.score import ScoringOptions, score_archive
from cxr_core.scale.scoring.scoring_folder import METADATA, ScoringFolder, read_manifest_counts
from cxr_core.workspace.process_lock import hold_lock
from tests.scale.scoring.bench import draw_films, read_rows, without_times
from tests.tiny import tiny_card, tiny_model

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def installed(tmp_path, monkeypatch, workspace):
    monkeypatch.setattr(registry, "SHIPPED_MODELS", tmp_path / "none")
    return tiny_model(workspace / "models")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return draw_films(tmp_path_factory.mktemp("drawn"), 9)


@pytest.fixture
def films(drawn, tmp_path):
    """Nine films, a copy of the first, one that is none, one that cannot be opened, and a text that is no film."""
    folder = tmp_path / "films"
    shutil.copytree(drawn, folder)
    shutil.copy(folder / "001.png", folder / "sub.png")
    (folder / "bad.png").write_bytes(b"nothing of the kind")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "notes.txt").write_text("no film")
    return folder


@pytest.fixture
def count_reads(monkeypatch):
    """How many films the networks were given."""
    counted = []
    examine_many = Reader.examine_many

    def examine(self, files, *arguments, **options):
        def count():
            for data in files:
                counted.append(len(data))
                yield data

        return examine_many(self, count(), *arguments, **options)

    monkeypatch.setattr(Reader, "examine_many", examine)
    return counted


def score(films: Path | str, out: Path, **options):
    return score_archive([str(films)], out, ScoringOptions(**{"films_per_shard": 4, **options}))


def hash_file(path: Path | str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_every_film_has_one_row_with_what_read_says(films, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["score", "--data", str(films), "--out", str(out), "--films-per-shard", "4"]
    assert command.main(arguments) == 0
    assert capsys.readouterr().out.strip() == str(out)
    rows = {row["file"]: row for row in read_rows(out)}
    paths = sorted(path for path in films.iterdir() if path.suffix == ".png")
    assert sorted(rows) == [str(path) for path in paths]
    assert len(read_rows(out)) == len(paths)
    command.main(["read", str(films), "--json"])
    lines = {json.loads(line)["file"]: line for line in capsys.readouterr().out.splitlines()}
    del lines[str(films / "notes.txt")]
    assert sorted(lines) == sorted(rows)
    for file, line in lines.items():
        assert without_times(line) == without_times(rows[file]["json"])


def test_columns_agree_with_the_line_of_the_film(films, tmp_path):
    score(films, tmp_path / "out")
    for row in read_rows(tmp_path / "out"):
        line = json.loads(row["json"])
        assert row["status"] == line["status"]
        assert row["flags"] == [concern["code"] for concern in line["concerns"]]
        for finding in line["findings"]:
            key = finding["finding"]
            assert row[f"{key}_call"] == finding["call"]
            assert row[f"{key}_probability"] in (None, finding["probability"])
    rows = {Path(row["file"]).name: row for row in read_rows(tmp_path / "out")}
    assert rows["sub.png"]["repeats"] == rows["001.png"]["file"]
    assert rows["bad.png"]["refusal_code"] == "undecodable"
    assert rows["gone.png"]["refusal_code"] == "unopened"
    assert rows["gone.png"]["sha256"] is None
    assert rows["002.png"]["width"] == 256
    assert {entry["finding"] for entry in rows["002.png"]["outputs"]} == {
        "cardiomegaly",
        "pneumonia",
    }


def test_a_data_lake_reads_the_folder_as_one_table_with_its_models(films, tmp_path):
    score(films, tmp_path / "out")
    table = pyarrow.dataset.dataset(tmp_path / "out" / "shards", partitioning="hive").to_table()
    assert len(table) == 12
    metadata = json.loads(table.schema.metadata[METADATA])
    assert metadata["scoring"]["models"][0]["model"] == "tiny"
    manifest = pq.ParquetFile(tmp_path / "out" / "manifest.parquet").read().to_pylist()
    counts = json.loads((tmp_path / "out" / "manifest.json").read_text())["counts"]
    assert len(manifest) == counts["films"] == 12
    assert counts["refusals"] == {"undecodable": 1, "unopened": 1}
    assert all((tmp_path / "out" / film["shard"]).is_file() for film in manifest)


def test_a_stopped_scoring_goes_on_without_reading_a_film_twice(films, tmp_path, count_reads):
    out = tmp_path / "out"
    answers = iter([False] * 5 + [True])
    with pytest.raises(Cancelled, match="6 of 12 films are scored; go on with --resume"):
        score(films, out, stop=lambda: next(answers))
    before = {row["file"]: row["json"] for row in read_rows(out)}
    score(films, out, resume=True)
    rows = read_rows(out)
    assert len(rows) == len({row["file"] for row in rows}) == 12
    assert before.items() <= {row["file"]: row["json"] for row in rows}.items()


def test_a_finished_scoring_reads_only_what_is_new_or_has_changed(films, tmp_path, count_reads):
    out = tmp_path / "out"
    score(films, out)
    count_reads.clear()
    counts = score(films, out, resume=True)
    assert (counts.films, count_reads) == (12, [])
    os.utime(films / "003.png", (1, 1))  # the same bytes
    shutil.copy(films / "004.png", films / "moved.png")
    changed = (films / "006.png").read_bytes()
    (films / "005.png").write_bytes(b"damaged meanwhile")
    counts = score(films, out, resume=True)
    rows = {Path(row["file"]).name: row for row in read_rows(out)}
    assert len(read_rows(out)) == len(rows) == counts.films == 13
    assert count_reads == [len(b"damaged meanwhile")]
    assert rows["005.png"]["status"] == "refused"
    assert rows["moved.png"]["repeats"].endswith("004.png")
    assert rows["moved.png"]["outputs"] == rows["004.png"]["outputs"]
    assert (films / "006.png").read_bytes() == changed


@pytest.mark.parametrize("films_per_shard", [1, 12])
def test_films_that_have_changed_places_keep_their_readings(
    films, tmp_path, count_reads, films_per_shard
):
    out = tmp_path / "out"
    score(films, out, films_per_shard=films_per_shard)
    count_reads.clear()
    for number in range(9, 0, -1):  # a film is put first: every name moves by one
        (films / f"{number:03}.png").rename(films / f"{number + 1:03}.png")
    draw_films(films, 1, first=11).joinpath("011.png").rename(films / "001.png")
    counts = score(films, out, resume=True, films_per_shard=2)
    rows = {row["file"]: row for row in read_rows(out)}
    assert len(read_rows(out)) == len(rows) == counts.films == 13
    assert len(count_reads) == 1  # the new film
    hashes = {file: row["sha256"] for file, row in rows.items() if row["sha256"]}
    assert hashes == {file: hash_file(file) for file in hashes}
    repeated = {file: row["repeats"] for file, row in rows.items() if row["repeats"]}
    assert {file: hashes[other] for file, other in repeated.items()} == {
        file: hashes[file] for file in repeated
    }
    assert counts.repeats == len(repeated)
    assert read_manifest_counts(out) == counts


def test_a_folder_of_another_scoring_or_of_anything_else_is_refused(films, tmp_path, workspace):
    out = tmp_path / "out"
    score(films, out)
    with pytest.raises(ScaleError, match="holds a scoring already; go on with --resume"):
        score(films, out)
    with pytest.raises(ScaleError, match="another scoring: it differs in decision"):
        score(films, out, resume=True, decision="strict")
    shutil.rmtree(workspace / "models")
    tiny_model(workspace / "models", tiny_card("other"), seed=1)
    with pytest.raises(ScaleError, match="another scoring: it differs in models"):
        score(films, out, resume=True)
    with pytest.raises(ScaleError, match="holds other files and no scoring"):
        score(films, films)
    with (
        hold_lock(out / ".scoring.lock"),
        pytest.raises(ScaleError, match="another process scores"),
        ScoringFolder.load(out).hold(),
    ):
        pass


def test_a_table_gives_paths_ages_and_views(films, tmp_path):
    table = films / "films.csv"
    table.write_text("Path;Age;View\n001.png;54;PA\n002.png;;\n../films/003.png;x;AP supine\n")
    score(table, tmp_path / "out")
    rows = {Path(row["file"]).name: row for row in read_rows(tmp_path / "out")}
    assert {name: (row["age_years"], row["view"]) for name, row in rows.items()} == {
        "001.png": (54, "PA"),
        "002.png": (None, None),
        "003.png": (None, "AP"),
    }


def test_a_film_is_read_again_when_its_age_or_view_is_corrected(films, tmp_path, count_reads):
    table, out = films / "films.csv", tmp_path / "out"
    table.write_text("image,age,view\n001.png,54,PA\n002.png,6,PA\n003.png,,\n")
    score(table, out)
    count_reads.clear()
    table.write_text("image,age,view\n001.png,54,AP\n002.png,60,PA\n003.png,,\n")
    counts = score(table, out, resume=True)
    assert (counts.films, len(read_rows(out)), len(count_reads)) == (3, 3, 2)
    rows = {Path(row["file"]).name: row for row in read_rows(out)}
    assert {name: (row["age_years"], row["view"]) for name, row in rows.items()} == {
        "001.png": (54, "AP"),
        "002.png": (60, "PA"),
        "003.png": (None, None),
    }
    count_reads.clear()
    score(table, out, resume=True)
    assert count_reads == []


def test_films_of_the_same_bytes_share_a_reading_only_where_age_and_view_agree(films, tmp_path):
    shutil.copy(films / "001.png", films / "child.png")
    table = films / "films.csv"
    table.write_text("image,age\n001.png,54\nchild.png,6\nsub.png,54\n")
    score(table, tmp_path / "out")
    rows = {Path(row["file"]).name: row for row in read_rows(tmp_path / "out")}
    assert {name: row["age_years"] for name, row in rows.items()} == {
        "001.png": 54,
        "child.png": 6,
        "sub.png": 54,
    }
    assert rows["child.png"]["repeats"] is None
    assert rows["sub.png"]["repeats"] == rows["001.png"]["file"]


def test_a_registered_dataset_gives_ages_and_views(films, tmp_path, workspace):
    paths = [str(films / f"00{number}.png") for number in (1, 2)]
    columns = {"image": paths, "patient": ["a", "b"], "split": "test", "source": "here"}
    table = build_table({**columns, "age": [61, None], "view": ["AP", None]})
    folder = workspace / "datasets" / "mine"
    Manifest(table, "csv", "Free use.").save(folder / "manifest.parquet")
    record = DatasetRecord(folders=(str(films),), kind="csv", prepared="2026-11-30T00:00:00+00:00")
    (folder / "dataset.json").write_text(json.dumps(record.to_json()))
    score("mine", tmp_path / "out")
    rows = {row["file"]: (row["age_years"], row["view"]) for row in read_rows(tmp_path / "out")}
    assert rows == {paths[0]: (61, "AP"), paths[1]: (None, None)}


def test_a_table_of_missing_films_is_told_before_a_model_is_loaded(tmp_path, monkeypatch, films):
    monkeypatch.setattr(Reader, "installed", lambda *_, **__: pytest.fail("a model was loaded"))
    table = tmp_path / "films.parquet"
    missing = [f"archive/{number}.dcm" for number in range(100_000)]
    pd.DataFrame({"file": [str(films / "001.png"), *missing]}).to_parquet(table)
    with pytest.raises(
        ScaleError, match=r"100,000 of the 100,001 films of the table are not there, such as"
    ):
        score(table, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    found = film_list.list_films_to_score([str(table)], leave_out_missing=True)
    assert [film.location for film in found.films] == [str(films / "001.png")]
    assert len(found.missing) == 100_000


def test_films_that_are_left_out_by_their_names_are_told(tmp_path, capsys):
    folder = draw_films(tmp_path / "films", 1)
    (folder / "masks").mkdir()
    for name in ("patient_mask.png", "masks/001.png", b"m\xfcller.png", b"notes\xfc.txt"):
        (folder / os.fsdecode(name)).write_bytes(b"not opened")
    assert command.main(["score", "--data", str(folder), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().err
    assert f"of {folder}: 1 film without a name in UTF-8, such as m\\xfcller.png" in told
    assert f"of {folder}: 2 films named as masks, such as masks/001.png, patient_mask.png" in told
    assert len(read_rows(tmp_path / "out")) == 1
    (folder / "001.png").unlink()
    with pytest.raises(ScaleError, match=r"has no films.*: 2 films named as masks, such as"):
        score(folder, tmp_path / "other")


def test_cells_of_a_table_that_hold_no_path_are_missing_films(films, tmp_path):
    table = tmp_path / "films.parquet"
    pd.DataFrame({"image": [str(films / "001.png"), None, "", "a\0b.png"]}).to_parquet(table)
    with pytest.raises(ScaleError, match="3 of the 4 films of the table are not there, such as an"):
        score(table, tmp_path / "out")
    (tmp_path / "films.csv").write_text(f"image,age\n{films / '001.png'},60\n,70\n")
    for name in ("films.parquet", "films.csv"):
        found = film_list.list_films_to_score([str(tmp_path / name)], leave_out_missing=True)
        assert [film.location for film in found.films] == [str(films / "001.png")]


def test_a_parquet_table_with_two_columns_of_one_name_is_refused(films, tmp_path):
    column = pa.array([str(films / "001.png")])
    pq.write_table(pa.table([column, column], names=["image", "image"]), tmp_path / "a.parquet")
    with pytest.raises(ScaleError, match="has two columns 'image'"):
        score(tmp_path / "a.parquet", tmp_path / "out")


def test_a_storage_is_listed_and_read_by_its_uri(films, tmp_path):
    score(f"file://{films}", tmp_path / "out")
    rows = {Path(row["file"]).name: row for row in read_rows(tmp_path / "out")}
    assert rows["002.png"]["file"] == f"file://{films}/002.png"
    assert rows["002.png"]["status"] == "read"
    assert "notes.txt" not in rows


def test_the_name_of_a_film_in_a_storage_may_have_a_question_mark(tmp_path):
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "lung?.png").write_bytes(b"a film")
    (film,) = list_storage(f"file://{tmp_path}/films")
    assert film.location.endswith("/lung?.png")
    assert read_film_bytes(film) == b"a film"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("foo://bucket/films", "is no storage that can be opened"),
        ("file:///nowhere/at/all", "cannot be listed"),
        ("/nowhere/at/all", "there is no folder /nowhere/at/all"),
        ("no-such-dataset", "is neither a folder nor a registered dataset"),
    ],
)
def test_data_that_is_not_there_is_told_in_a_sentence(data, sentence, tmp_path):
    with pytest.raises((ScaleError, DataError), match=sentence):
        score(data, tmp_path / "out")


def test_a_table_without_films_or_paths_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("name,age\nx,1\n")
    with pytest.raises(ScaleError, match="has no column of films; name it image, file or path"):
        score(tmp_path / "a.csv", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("no film")
    with pytest.raises(ScaleError, match="has no films"):
        score(tmp_path / "empty", tmp_path / "out")


def test_a_shard_that_is_damaged_is_named(films, tmp_path):
    out = tmp_path / "out"
    score(films, out)
    shard = next((out / "shards").rglob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(ScaleError, match=f"{shard.name} is no shard that can be read"):
        score(films, out, resume=True)
    shard.unlink()
    assert score(films, out, resume=True).films == 12
    assert len(read_rows(out)) == 12


def test_other_files_among_the_shards_do_not_matter(films, tmp_path):
    out = tmp_path / "out"
    score(films, out)
    shard = out / "shards" / "part=0000" / "00000000.parquet"
    shutil.copy(shard, shard.with_name("00000000 (copy).parquet"))
    assert score(films, out, resume=True).films == 12


def test_the_documentation_lists_every_column():
    text = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    names = [name for name, _, _ in COLUMNS] + [f"FINDING_{name}" for name, _, _ in FINDING_COLUMNS]
    assert [name for name in names if f"`{name}`" not in text] == []

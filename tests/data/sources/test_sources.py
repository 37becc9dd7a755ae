"""The registry of sources: which kind a folder is, and several folders together. Films are never opened."""

import os

import numpy as np
import pandas as pd
import pytest

from cxr_core.data.checks.issue_kinds import ISSUES
from cxr_core.data.manifest import Manifest
from cxr_core.data.sources.detect import SOURCES, read_sources
from cxr_core.data.sources.kinds import KINDS
from cxr_core.errors import DataError
from tests.data.layouts import by_name, entries, source_issues_by_code, touch, write


@pytest.fixture
def kaggle(tmp_path):
    folder = tmp_path / "chest_xray"
    touch(*(folder / "train" / "NORMAL" / f"IM-{i:04d}-0001.jpeg" for i in range(3)))
    touch(*(folder / "test" / "PNEUMONIA" / f"person{i}_virus_{i}.jpeg" for i in range(3)))
    return folder


@pytest.fixture
def nih(tmp_path):
    folder = tmp_path / "nih"
    touch(folder / "images" / "00000001_000.png")
    write(
        folder / "Data_Entry_2017_v2020.csv", entries("00000001_000.png,Cardiomegaly,0,1,57,M,PA")
    )
    write(folder / "test_list.txt", "00000001_000.png\n")
    return folder


@pytest.fixture
def table(tmp_path):
    folder = tmp_path / "clinic"
    touch(folder / "a.png", folder / "b.png")
    write(folder / "labels.csv", "image,patient,cardiomegaly\na.png,1,1\nb.png,2,0\n")
    return folder


@pytest.fixture
def scans(tmp_path):
    folder = tmp_path / "scans"
    touch(folder / "a.dcm", folder / "b.dcm")
    write(folder / "labels.csv", "file,subject,mass\na.dcm,1,1\nb.dcm,2,0\n")
    return folder


def test_kind_of_a_folder_is_detected(kaggle, nih, table, scans):
    assert [read_sources([folder]).kind for folder in (kaggle, nih, table, scans)] == [
        "folder",
        "nih14",
        "csv",
        "dicom",
    ]
    assert set(SOURCES) == {"folder", "nih14", "csv", "dicom"}


def test_class_folders_beat_tables_and_tables_beat_unknown_classes(
    tmp_path,
):
    touch(
        tmp_path / "a" / "train" / "NORMAL" / "x.png",
        tmp_path / "b" / "train" / "patient1" / "x.png",
    )
    for folder in ("a", "b"):
        write(tmp_path / folder / "about.csv", "image,pneumonia\nx.png,1\n")
    assert read_sources([tmp_path / "a"]).kind == "folder"
    assert read_sources([tmp_path / "b"]).kind == "csv"
    write(tmp_path / "a" / "about.csv", "width,height\n1,2\n")
    assert read_sources([tmp_path / "a"]).kind == "folder"


def test_given_kind_is_not_detected(table):
    assert read_sources([table], "dicom").kind == "dicom"
    with pytest.raises(DataError, match="choose from csv, dicom, folder, nih14"):
        read_sources([table], "dicoms")
    with pytest.raises(DataError, match="holds no images under"):
        read_sources([table], "folder")


def test_folders_of_several_kinds_become_one_manifest_whose_patients_cannot_collide(
    kaggle, nih, table
):
    manifest = read_sources([nih, kaggle, table])
    assert manifest.kind == "csv+folder+nih14"
    films = by_name(manifest)
    assert len(films) == 9
    assert films.loc["00000001_000.png", "patient"] == "nih14:1"
    assert films.loc["a.png", "patient"] == "csv:1"
    assert films.loc["person1_virus_1.jpeg", "patient"] == "folder:test/person1"
    assert films.loc["a.png", "cardiomegaly"] == 1
    assert np.isnan(films.loc["a.png", "pneumonia"])
    assert np.isnan(films.loc["person1_virus_1.jpeg", "cardiomegaly"])
    assert films.loc["00000001_000.png", "pneumonia"] == 0
    assert "NIH Clinical Center" in manifest.terms
    assert "CC BY 4.0" in manifest.terms


def test_every_manifest_survives_its_parquet_file(kaggle, nih, table, scans, tmp_path):
    manifest = read_sources([kaggle, nih, table, scans])
    manifest.save(tmp_path / "manifest.parquet")
    again = Manifest.load(tmp_path / "manifest.parquet")
    pd.testing.assert_frame_equal(again.table, manifest.table)
    assert again.source_issues == manifest.source_issues


def test_an_issue_of_several_folders_is_one_with_all_their_numbers(kaggle, table, scans):
    found = source_issues_by_code(read_sources([kaggle, table, scans]))
    assert found["population_unstated"].count == 10
    assert (
        found["population_unstated"].message
        == "No age is given for 6 films. No age is given for 2 films."
    )
    assert found["no_split"].count == 4


def test_folder_given_twice_counts_once(table, kaggle):
    twice = [table, table / ".." / table.name]
    assert len(read_sources(twice).table) == 2


def test_films_beside_another_folders_table_belong_to_it(tmp_path):
    touch(tmp_path / "films" / "a.png")
    write(tmp_path / "tables" / "labels.csv", "image,mass\na.png,1\n")
    manifest = read_sources([tmp_path / "films", tmp_path / "tables"])
    assert manifest.table["status"].tolist() == ["present"]
    assert manifest.table["image"].tolist() == [str(tmp_path / "films" / "a.png")]


def test_paths_are_absolute(table, monkeypatch):
    monkeypatch.chdir(table.parent)
    assert read_sources([table.relative_to(table.parent)]).table["image"].tolist() == [
        str(table / "a.png"),
        str(table / "b.png"),
    ]


def test_hidden_files_and_mac_archive_folders_are_ignored(kaggle):
    before = len(read_sources([kaggle]).table)
    touch(
        kaggle / "__MACOSX" / "train" / "NORMAL" / "._IM-0000-0001.jpeg",
        kaggle / "__MACOSX" / "train" / "NORMAL" / "IM-9999-0001.jpeg",
        kaggle / "train" / "NORMAL" / "._IM-0000-0001.jpeg",
        kaggle / "train" / "NORMAL" / ".DS_Store",
        kaggle / ".cache" / "train" / "NORMAL" / "x.jpeg",
    )
    assert len(read_sources([kaggle]).table) == before


def test_links_are_followed_and_circles_end(table, tmp_path):
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "films").symlink_to(table)
    (linked / "again").symlink_to(linked)
    assert read_sources([linked]).table["status"].tolist() == ["present", "present"]


def test_missing_facts_are_reported_and_present_ones_are_not(table, tmp_path):
    assert set(source_issues_by_code(read_sources([table]))) == {"population_unstated", "no_split"}
    whole = tmp_path / "whole"
    touch(whole / "a.png", whole / "b.png")
    write(
        whole / "all.csv", "image,patient,split,age,mass\na.png,1,train,50,1\nb.png,2,test,60,0\n"
    )
    assert source_issues_by_code(read_sources([whole])) == {}


def test_small_validation_is_reported_once_train_is_ten_times_larger(kaggle):
    touch(*(kaggle / "val" / "NORMAL" / f"v{i}.jpeg" for i in range(16)))
    assert "small_validation" not in source_issues_by_code(read_sources([kaggle]))
    touch(*(kaggle / "train" / "PNEUMONIA" / f"t{i}.jpeg" for i in range(160)))
    small = source_issues_by_code(read_sources([kaggle]))["small_validation"]
    assert (small.count, small.message) == (16, "Validation has 16 films, train 163.")


def test_missing_folder_file_and_empty_folder_are_named(tmp_path):
    with pytest.raises(DataError, match=f"there is no folder {tmp_path}/nowhere"):
        read_sources([tmp_path / "nowhere"])
    archive = write(tmp_path / "data.zip", "PK")
    with pytest.raises(DataError, match=r"data\.zip is a file, not a folder; unpack it"):
        read_sources([archive])
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    with pytest.raises(DataError, match=f"{tmp_path}/empty holds no files"):
        read_sources([tmp_path / "empty"])
    with pytest.raises(DataError, match="no folder was given"):
        read_sources([])


def test_unknown_layout_error_says_what_is_expected(tmp_path):
    write(tmp_path / "weights.bin", "x")
    with pytest.raises(
        DataError, match=r"no known layout: it holds 0 films, but no Data_Entry_2017\*\.csv.*CLASS"
    ):
        read_sources([tmp_path])
    touch(tmp_path / "a.png")
    with pytest.raises(DataError, match="it holds 1 film, but"):
        read_sources([tmp_path])


def test_unreadable_folder_is_named(table, monkeypatch):
    locked = table / "locked"
    touch(locked / "c.png")
    if os.geteuid():
        locked.chmod(0)
    else:  # root reads everything
        real = os.scandir

        def scandir(path):
            if str(path) == str(locked):
                raise PermissionError(13, "Permission denied", str(path))
            return real(path)

        monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(
        DataError, match=f"{locked} cannot be listed .Permission denied.; allow reading it"
    ):
        read_sources([table])
    locked.chmod(0o700)


def test_no_film_is_opened(kaggle, nih, table, scans, monkeypatch):
    opened = []
    real = os.open

    def note(path, *rest, **named):
        opened.append(str(path))
        return real(path, *rest, **named)

    monkeypatch.setattr(os, "open", note)
    read_sources([kaggle, nih, table, scans])
    assert not [path for path in opened if path.endswith((".png", ".jpeg", ".dcm"))]


@pytest.mark.release
@pytest.mark.parametrize(
    ("name", "kind", "films"),
    [
        ("kermany_pneumonia", "folder", 5324),
        ("nih_cxr8", "nih14", 12462),
        ("heart_ctr", "csv", 202),
        ("dicom", "dicom", 225),  # one of 226 is a lateral view
        ("odd_images", "csv", 433),
        ("not_chest", "csv", 89),
    ],
)
def test_every_real_folder_is_read_without_a_blocking_issue(real_data, name, kind, films):
    manifest = read_sources([real_data / name])
    assert manifest.kind == kind
    assert len(manifest.select_usable().table) == films
    assert not [issue for issue in manifest.source_issues if issue.severity == "blocking"]
    assert all(os.path.isfile(path) for path in manifest.select_usable().table["image"])


def test_a_film_that_several_facts_concern_counts_as_one_film(tmp_path):
    for name in ("a.png", "b.png"):
        touch(tmp_path / name)
    table = "image,split,sex,age,mass\na.png,soon,?!,old,1\nb.png,later,?!,42,0\n"
    write(tmp_path / "labels.csv", table)
    issue = source_issues_by_code(read_sources([tmp_path]))["unknown_value"]
    assert issue.extent == "2 films"  # not the 5 cells
    assert "The split of 2 films" in issue.message
    assert "The age of 1 film" in issue.message


def latin_1(name: str) -> str:
    """A file name in Latin-1 bytes, as Python shows it on a system in UTF-8."""
    return os.fsdecode(name.encode("latin-1"))


def test_films_whose_names_are_not_utf_8_are_left_out_and_counted(tmp_path):
    touch(tmp_path / "a.png", tmp_path / latin_1("Müller.png"), tmp_path / latin_1("Läufer.txt"))
    write(tmp_path / "labels.csv", "image,mass\na.png,1\nMüller.png,0\n")
    manifest = read_sources([tmp_path])
    issue = source_issues_by_code(manifest)["unusable_names"]
    assert issue.extent == "1 file"
    assert issue.examples == (r"M\xfcller.png",)
    account = manifest.account_for_films()
    assert account.sentence.startswith(
        "2 image files found: 1 used, 1 with a name that is not UTF-8"
    )
    manifest.save(tmp_path / "manifest.parquet")
    assert Manifest.load(tmp_path / "manifest.parquet").account_for_films() == account


def test_folders_whose_names_are_not_utf_8_are_refused_by_name(tmp_path):
    folder = tmp_path / latin_1("Köln")
    touch(folder / "a.png")
    with pytest.raises(DataError, match=r"folder .*K\\xf6ln is not in UTF-8; rename it"):
        read_sources([folder])
    with pytest.raises(DataError, match=r"no file below .* has a name in UTF-8; rename them"):
        read_sources([tmp_path])


def test_a_link_to_nothing_is_not_said_to_be_an_archive(tmp_path):
    (tmp_path / "films").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="films is a link to what is not there"):
        read_sources([tmp_path / "films"])


def test_a_folder_that_may_not_be_opened_is_not_said_to_be_missing(tmp_path, monkeypatch):
    stat = os.stat

    def refuse(path, **options):
        if path == str(tmp_path) or path == tmp_path:
            raise PermissionError(13, "Permission denied", path)
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(DataError, match=r"cannot be opened \(Permission denied\)"):
        read_sources([tmp_path])


@pytest.mark.parametrize(
    ("write_file", "says"),
    [
        (lambda path: None, "there is no .*manifest.parquet; prepare"),
        (lambda path: path.write_bytes(b"no parquet"), "is no manifest of this program"),
        (lambda path: path.mkdir(), r"manifest.parquet .*prepare the\s?dataset again"),
    ],
)
def test_a_manifest_that_cannot_be_loaded_says_why(tmp_path, write_file, says):
    write_file(tmp_path / "manifest.parquet")
    with pytest.raises(DataError, match=says):
        Manifest.load(tmp_path / "manifest.parquet")


def test_a_manifest_of_a_later_version_is_said_to_be_one(tmp_path, monkeypatch):
    touch(tmp_path / "a.png")
    write(tmp_path / "labels.csv", "image,age,mass\na.png,400,1\n")
    read_sources([tmp_path]).save(tmp_path / "manifest.parquet")
    earlier = {code: kind for code, kind in ISSUES.items() if code != "impossible_age"}
    monkeypatch.setattr("cxr_core.data.checks.issue.ISSUES", earlier)
    with pytest.raises(DataError, match="another version of this program"):
        Manifest.load(tmp_path / "manifest.parquet")


def test_rows_that_repeat_a_film_count_as_one_film(tmp_path):
    touch(tmp_path / "a.png", tmp_path / "b.png")
    rows = "a.png,PA,AP,?!,1\n" * 7 + "b.png,PA,PA,M,0\n"
    write(tmp_path / "labels.csv", "image,view,projection,sex,mass\n" + rows)
    issues = source_issues_by_code(read_sources([tmp_path]))
    assert issues["unknown_value"].extent == "1 film"
    assert "PA and AP of 1 film;" in issues["unknown_value"].message
    assert issues["duplicate_rows"].extent == "6 rows"


def test_commands_know_every_kind_of_source_without_importing_it() -> None:
    assert tuple(sorted(SOURCES)) == KINDS

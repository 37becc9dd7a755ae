"""From folders to a registered dataset, and what a choice about an issue does."""

import contextlib
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from cxr_core.data import prepare as preparing
from cxr_core.data.cache.worker_pool import WorkerPool
from cxr_core.data.manifest import Manifest
from cxr_core.data.prepare import (
    decode_films,
    forget_dataset,
    open_data,
    prepare_dataset,
    record_decision,
    withdraw_decision,
)
from cxr_core.data.registry import (
    Dataset,
    choose_folder,
    find_dataset,
    list_damaged_folders,
    list_datasets,
)
from cxr_core.data.sources.detect import read_sources
from cxr_core.errors import Cancelled, DataError
from tests.conftest import decode_films_here
from train.prepare import main as prepare_command

pytestmark = [pytest.mark.usefixtures("workspace"), pytest.mark.process]


def picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 256, (8, 8)).astype(np.uint8)
    cv2.imwrite(str(path), cv2.resize(small, (80, 80), interpolation=cv2.INTER_CUBIC))


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Ten films of ten patients, in two splits."""
    folder = tmp_path / "sound set"
    rows = [
        (f"film{i}.png", f"p{i}", i % 2, "train" if i < 6 else "test", "PA", 40 + i, "F")
        for i in range(10)
    ]
    for i in range(10):
        picture(folder / f"film{i}.png", i)
    _write(folder, rows)
    return folder


@pytest.fixture
def leaky(sound: Path) -> Path:
    """Patient p0 has a film in train and one in test; film2 lies in test under another name."""
    table = pd.read_csv(sound / "films.csv")
    table.loc[9, "patient"] = "p0"
    table.to_csv(sound / "films.csv", index=False)
    (sound / "film8.png").write_bytes((sound / "film2.png").read_bytes())
    return sound


def _write(folder: Path, rows: list[tuple]) -> None:
    columns = ["image", "patient", "pneumonia", "split", "view", "age", "sex"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "films.csv", index=False)


def codes(dataset: Dataset) -> set[str]:
    return {issue.code for issue in dataset.load_issues()}


def test_sound_dataset_is_registered_completely(sound: Path) -> None:
    stages: list[str] = []
    dataset = prepare_dataset([sound], progress=lambda stage, done, total: stages.append(stage))
    assert dataset.name == "sound-set"
    assert list(dict.fromkeys(stages)) == [
        "reading tables",
        "decoding",
        "examining",
        "looking for near-duplicates",
        "writing",
    ]
    assert list_datasets() == [dataset] == [find_dataset("sound-set")]
    assert dataset.open_blocking_issues() == ()
    table = dataset.load_manifest().table
    assert table["status"].eq("present").all()
    assert table["sha256"].str.len().eq(64).all()
    assert table["width"].eq(80).all()
    for name in (
        "dataset.json",
        "manifest.parquet",
        "issues.json",
        "report.html",
        "report.json",
        "quarantine.csv",
        "near_duplicates.json",
    ):
        assert (dataset.folder / name).is_file()
    hidden = [path.name for path in dataset.folder.glob(".*")]
    assert hidden == [".replacement.lock"], "nothing half-written is left"


def test_preparing_again_gives_the_same_dataset(sound: Path) -> None:
    first, again = prepare_dataset([sound]), prepare_dataset([sound])
    assert first.folder == again.folder
    assert len(list_datasets()) == 1
    pd.testing.assert_frame_equal(first.load_manifest().table, again.load_manifest().table)


def test_bad_films_are_quarantined_and_the_rest_is_used(sound: Path) -> None:
    (sound / "film1.png").write_text("<!doctype html><title>404</title>")
    (sound / "film3.png").unlink()
    dataset = prepare_dataset([sound])
    table = dataset.load_manifest().table.set_index(dataset.load_manifest().names)
    assert table["status"].value_counts().to_dict() == {"present": 8, "missing": 1, "unreadable": 1}
    assert "web page" in table.loc["film1.png", "reason"]
    assert {"unreadable", "missing_images"} <= codes(dataset)
    quarantine = pd.read_csv(dataset.folder / "quarantine.csv")
    assert quarantine["status"].tolist() == ["unreadable"]
    assert len(open_data([sound]).table) == 8


def test_blocking_issues_stop_until_decided(leaky: Path) -> None:
    dataset = prepare_dataset([leaky])
    assert {issue.code for issue in dataset.open_blocking_issues()} == {
        "patient_in_two_parts",
        "same_picture_two_parts",
    }
    with pytest.raises(DataError, match=r"stopped by 2 blocking issues.*--exclude"):
        open_data([leaky])
    dataset = record_decision(
        dataset, "patient_in_two_parts", "exclude", "they are the same person"
    )
    dataset = record_decision(dataset, "same_picture_two_parts", "accept")
    assert dataset.open_blocking_issues() == ()
    films = open_data([leaky])
    names = set(films.names)
    assert "film0.png" not in names, "the training film of the patient is excluded"
    assert {"film9.png", "film8.png", "film2.png"} <= names, (
        "the test part is never thinned, what is accepted stays"
    )
    assert Dataset.load(dataset.folder).decisions[0].note == "they are the same person"
    excluded = dataset.load_manifest().table.query("status == 'excluded'")
    assert excluded["reason"].tolist() == ["patient_in_two_parts"]


def test_decision_can_be_withdrawn_and_replaced(leaky: Path) -> None:
    dataset = record_decision(prepare_dataset([leaky]), "patient_in_two_parts", "exclude")
    dataset = record_decision(dataset, "patient_in_two_parts", "accept")
    assert [choice.action for choice in dataset.decisions] == ["accept"]
    assert dataset.load_manifest().table["status"].eq("present").all()
    dataset = withdraw_decision(dataset, "patient_in_two_parts")
    assert dataset.decisions == ()
    assert "patient_in_two_parts" in {issue.code for issue in dataset.open_blocking_issues()}


def test_decision_does_not_cover_later_films(leaky: Path) -> None:
    dataset = prepare_dataset(
        [leaky],
        decisions=[("patient_in_two_parts", "accept"), ("same_picture_two_parts", "accept")],
    )
    assert dataset.open_blocking_issues() == ()
    table = pd.read_csv(leaky / "films.csv")
    table.loc[7, "patient"] = "p1"
    table.to_csv(leaky / "films.csv", index=False)
    assert [issue.code for issue in prepare_dataset([leaky]).open_blocking_issues()] == [
        "patient_in_two_parts"
    ]


def test_decision_about_an_absent_issue_is_refused(leaky: Path) -> None:
    dataset = prepare_dataset([leaky])
    with pytest.raises(DataError, match="did not report 'unreadable' here; they reported"):
        record_decision(dataset, "unreadable", "accept")
    (leaky / "film5.png").unlink()
    with pytest.raises(
        DataError, match="missing_images names no individual films, so there is nothing to exclude"
    ):
        record_decision(prepare_dataset([leaky]), "missing_images", "exclude")


def test_stopped_preparation_leaves_the_registry_unchanged(sound: Path) -> None:
    before = prepare_dataset([sound])
    held = (before.folder / "dataset.json").read_bytes()
    picture(sound / "film0.png", 99)

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "decoding":
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        prepare_dataset([sound], progress=stop)
    assert (before.folder / "dataset.json").read_bytes() == held


def test_dataset_names_are_unique(sound: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "sound set"
    picture(other / "film0.png", 5)
    _write(other, [("film0.png", "p", 1, "train", "PA", 50, "M")])
    assert prepare_dataset([sound]).name == "sound-set"
    assert prepare_dataset([other]).name == "sound-set-2"
    assert prepare_dataset([sound, other], name="both").name == "both"
    with pytest.raises(DataError, match="belongs to"):
        prepare_dataset([other], name="both")
    for name in ("../up", "", "a/b"):
        with pytest.raises(DataError, match="cannot be named"):
            prepare_dataset([tmp_path / "elsewhere"], name=name)
    forget_dataset(find_dataset("both").folder)
    assert [dataset.name for dataset in list_datasets()] == ["sound-set", "sound-set-2"]
    assert sound.is_dir()


def test_data_is_given_by_folder_or_by_name(sound: Path) -> None:
    with pytest.raises(
        DataError, match="neither a folder nor a registered dataset; registered: none"
    ):
        open_data(["sound-set"])
    prepare_dataset([sound])
    by_name, by_folder = open_data(["sound-set"]), open_data([sound])
    pd.testing.assert_frame_equal(by_name.table, by_folder.table)
    assert by_name.data_sha256() == by_folder.data_sha256()


def test_damaged_record_is_listed_and_blocks_no_other_dataset(sound: Path, tmp_path: Path) -> None:
    dataset = prepare_dataset([sound])
    (dataset.folder / "dataset.json").write_text("{")
    with pytest.raises(DataError, match="prepare its films again under the name sound-set"):
        find_dataset("sound-set")
    assert (list_datasets(), list_damaged_folders()) == ([], [dataset.folder])
    (dataset.folder / "dataset.json").unlink()
    assert (list_datasets(), list_damaged_folders()) == ([], [dataset.folder])
    shutil.copytree(sound, tmp_path / "other" / sound.name)
    other = prepare_dataset([tmp_path / "other" / sound.name])
    assert other.name == "sound-set-2"  # the damaged dataset keeps its name until it is requested
    assert len(open_data([other.name]).table) == 10
    other = find_dataset(other.name)  # prepared again just now, at another time
    again = prepare_dataset([sound], name="sound-set")
    assert (list_datasets(), list_damaged_folders()) == ([again, other], [])
    (again.folder / "dataset.json").write_text('{"schema": 99}')
    forget_dataset(again.folder)
    assert (list_datasets(), list_damaged_folders()) == ([other], [])


def test_two_folders_of_one_name_prepared_at_once_are_two_datasets(
    sound, tmp_path, monkeypatch
) -> None:
    twin = tmp_path / "other" / sound.name
    shutil.copytree(sound, twin)
    both = threading.Barrier(2)

    def choose_slowly(folders, name):
        folder = choose_folder(folders, name)
        # With the registry locked the other thread cannot arrive here, so the barrier breaks.
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(1)
        return folder

    monkeypatch.setattr(preparing, "choose_folder", choose_slowly)
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda folder: prepare_dataset([folder]), (sound, twin)))
    assert sorted(dataset.name for dataset in found) == ["sound-set", "sound-set-2"]
    assert {dataset.name: dataset.folders for dataset in list_datasets()} == {
        each.name: each.folders for each in found
    }


def test_thumbnails_show_the_films_and_black_for_what_is_missing(sound: Path) -> None:
    (sound / "film3.png").unlink()
    dataset = prepare_dataset([sound])
    images = dataset.load_manifest().table["image"].tolist()
    shown = dataset.load_thumbnails([images[4], images[3], images[0]])
    assert shown.shape == (3, 128, 128)
    assert not shown[1].any()
    plain = cv2.imread(images[4], cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255
    assert np.array_equal(shown[0], np.rint(cv2.resize(plain, (128, 128)) * 255).astype(np.uint8))


def test_fast_tests_decode_as_the_program_does(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests without the process marker decode in their own process; see tests/conftest.py."""
    (sound / "film3.png").write_bytes(b"no picture")
    in_processes = prepare_dataset([sound]).load_manifest().table
    monkeypatch.setattr(WorkerPool, "decode_films", decode_films_here)
    monkeypatch.setenv("CXR_WORKSPACE", str(tmp_path / "another workspace"))
    pd.testing.assert_frame_equal(prepare_dataset([sound]).load_manifest().table, in_processes)
    assert in_processes["status"].tolist().count("unreadable") == 1


def boxes_by_film(manifest: Manifest) -> pd.DataFrame:
    """The boxes film by film: a saved manifest has them in the order of its films."""
    return manifest.boxes.sort_values("image", kind="stable", ignore_index=True)


@pytest.mark.release
def test_manifest_round_trips_through_parquet_with_boxes_and_issues(
    real_data: Path, workspace: Path
) -> None:
    manifest = read_sources([real_data / "nih_boxes_256", real_data / "nih_cxr8"], kind="nih14")
    # Every column has values once some films are decoded; decoding all of them would take minutes.
    decoded = decode_films(manifest.with_table(manifest.table[:60])).table
    manifest = manifest.with_table(pd.concat([decoded, manifest.table[60:]]))
    assert len(manifest.table) > 10_000
    assert manifest.table[["sha256", "width", "height", "bits"]].notna().all(axis=1).sum() > 20
    manifest.save(workspace / "again.parquet")
    again = Manifest.load(workspace / "again.parquet")
    pd.testing.assert_frame_equal(again.table, manifest.table)
    pd.testing.assert_frame_equal(boxes_by_film(again), boxes_by_film(manifest))
    assert again.source_issues == manifest.source_issues != ()
    assert len(manifest.boxes) == 984
    assert manifest.boxes[["left", "top", "width", "height"]].to_numpy().min() >= 0


@pytest.mark.parametrize("damage", [b"", b"no parquet at all", None])
def test_damaged_manifest_is_reported(sound: Path, damage: bytes | None) -> None:
    dataset = prepare_dataset([sound])
    path = dataset.folder / "manifest.parquet"
    path.unlink() if damage is None else path.write_bytes(damage)
    with pytest.raises(DataError, match="prepare the dataset again"):
        dataset.load_manifest()


def test_command_prints_the_report_and_how_to_continue(
    leaky: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare_command(["--data", str(leaky)]) == 3
    said = capsys.readouterr()
    assert Path(said.out.strip()).is_file()
    account = "10 image files found: 10 used; 10 table rows: 10 used."
    assert account in said.err[: said.err.index("blocking")], "the account comes first"
    assert account in Path(said.out.strip()).read_text(encoding="utf-8")
    assert "--exclude patient_in_two_parts" in said.err
    arguments = [
        "--exclude",
        "patient_in_two_parts",
        "--exclude",
        "same_picture_two_parts",
        "--note",
        "by hand",
    ]
    assert prepare_command(["--data", "sound-set", *arguments]) == 0
    report = json.loads((Path(capsys.readouterr().out.strip()).parent / "report.json").read_text())
    assert {choice["choice"] for choice in report["choices"]} == {"exclude"}
    files = report["account"]["files"]
    assert files == {"found": 10, "used": 8, "left_out": {"excluded": 2}}


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--data", "/no/such/folder"], 3, "there is no folder /no/such/folder"),
        (["--data", "nothing"], 3, "neither a folder nor a registered dataset"),
    ],
)
def test_command_reports_wrong_data_without_traceback(
    arguments: list[str], status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare_command(arguments) == status
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", ".", "--accept", "everything"], "invalid choice: 'everything'"),
        (["--data", ".", "--kind", "zip"], "invalid choice: 'zip'"),
        ([], "--data"),
    ],
)
def test_command_exits_2_for_wrong_arguments(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        prepare_command(arguments)
    assert says in capsys.readouterr().err


def test_unwritable_workspace_is_reported(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CXR_WORKSPACE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="cannot be written"):
        prepare_dataset([sound])


@pytest.fixture
def own_labels(tmp_path: Path) -> Path:
    """Ten films with labels that no known finding is called like, and without splits."""
    folder = tmp_path / "own"
    rows = ["file,patient,fracture_reader1,Herzvergr."]
    for i in range(10):
        picture(folder / f"film{i}.png", i)
        rows.append(f"film{i}.png,p{i},{i % 2},{'yes' if i < 5 else 'no'}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


def test_a_mapping_is_kept_shown_changed_and_used_by_whoever_opens_the_data(
    own_labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    define = ["--define-finding", "rib_fracture", "Rib fracture", "A break of a rib."]
    first = ["--map", "fracture_reader1=rib_fracture", "--map", "Herzvergr.=Cardiomegaly"]
    assert prepare_command(["--data", str(own_labels), *define, *first]) == 0
    printed = capsys.readouterr().err
    assert "fracture_reader1 → Rib fracture (locally defined), Herzvergr. → Cardiomegaly" in printed
    dataset = find_dataset("own")
    assert dict(dataset.label_mapping) == {
        "fracture_reader1": "rib_fracture",
        "Herzvergr.": "cardiomegaly",
    }
    assert dataset.load_manifest().findings == ("cardiomegaly", "rib_fracture")
    assert open_data([own_labels]).findings == ("cardiomegaly", "rib_fracture")
    assert "Rib fracture (locally defined)" in dataset.report.read_text()
    assert prepare_command(["--data", "own", "--map", "Herzvergr.=detect"]) == 0
    assert find_dataset("own").load_manifest().findings == ("rib_fracture",)


def test_a_preparation_keeps_a_mapping_that_was_made_while_it_ran(own_labels: Path) -> None:
    prepare_dataset([own_labels])
    mapping = {"Herzvergr.": "cardiomegaly"}

    def map_labels(stage: str, done: int, total: int) -> None:
        if stage == "examining" and not find_dataset("own").label_mapping:
            prepare_dataset([own_labels], label_mapping=mapping)

    dataset = prepare_dataset([own_labels], progress=map_labels)
    assert dataset == find_dataset("own")
    assert dict(dataset.label_mapping) == mapping
    assert dataset.load_manifest().findings == ("cardiomegaly",)


def test_a_mapping_to_what_is_not_there_changes_nothing(own_labels: Path) -> None:
    prepare_dataset([own_labels], label_mapping={"Herzvergr.": "cardiomegaly"})
    with pytest.raises(DataError, match="called Herz; labels that can be mapped: fracture_reader1"):
        prepare_dataset([own_labels], label_mapping={"Herz": "mass"})
    assert dict(find_dataset("own").label_mapping) == {"Herzvergr.": "cardiomegaly"}
    table = own_labels / "labels.csv"
    table.write_text(table.read_text().replace("Herzvergr.", "Herz"))
    (issue,) = [
        i for i in prepare_dataset([own_labels]).load_issues() if i.code == "unused_mapping"
    ]
    assert (issue.severity, issue.examples) == ("warning", ("Herzvergr.",))


def test_datasets_that_are_joined_bring_their_mappings(own_labels: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(own_labels, other)
    for i in range(10):
        picture(other / f"film{i}.png", 100 + i)
    assert open_data([own_labels, other]).findings == ()
    prepare_dataset([own_labels], label_mapping={"Herzvergr.": "cardiomegaly"})
    assert open_data([own_labels, other]).findings == ("cardiomegaly",)
    prepare_dataset([own_labels], label_mapping={"Herzvergr.": "nodule"})
    assert open_data([own_labels, other]).findings == ("nodule",)  # the joined data follow
    prepare_dataset([other], label_mapping={"Herzvergr.": "mass"})
    with pytest.raises(DataError, match=r"map Herzvergr\. to .* map it alike in both"):
        open_data([own_labels, other])
    prepare_dataset([own_labels], label_mapping={"Herzvergr.": "mass"})
    joined = prepare_dataset([own_labels, other], label_mapping={"Herzvergr.": "hernia"})
    assert joined.own_labels == ("Herzvergr.",)
    prepare_dataset([other], label_mapping={"Herzvergr.": "nodule"})
    assert open_data([own_labels, other]).findings == ("hernia",)  # its own mapping decides

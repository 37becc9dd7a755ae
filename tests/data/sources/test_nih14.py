"""NIH ChestX-ray14: its two tables, its lists and its boxes, with any number of the films."""

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from cxr_core.data.sources.detect import read_sources
from cxr_core.errors import DataError
from tests.data.layouts import by_name, entries, source_issues_by_code, touch, write

pytestmark = pytest.mark.release

ROWS = (
    "00000001_000.png,Cardiomegaly|Effusion,0,1,57,M,PA",
    "00000001_001.png,No Finding,1,1,58,M,AP",
    "00000002_000.png,Pneumonia,0,2,80,F,PA",
    "00000003_000.png,Hernia,0,3,81,F,PA",
)
BOXES = (
    "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
    "00000001_000.png,Cardiomegaly,256,512,512,128\n"
    "00000001_000.png,Infiltrate,0.5,1,1000,1023\n"
    "00000009_000.png,Mass,1,1,1,1\n"
)


@pytest.fixture
def nih(tmp_path):
    """The release's layout: three of four films there."""
    folder = tmp_path / "cxr8"
    touch(
        folder / "images_001" / "images" / "00000001_000.png",
        folder / "images_001" / "images" / "00000001_001.png",
    )
    touch(folder / "images_002" / "images" / "00000002_000.png")
    write(folder / "Data_Entry_2017_v2020.csv", entries(*ROWS))
    write(folder / "train_val_list.txt", "00000001_000.png\n00000001_001.png\n")
    write(folder / "test_list.txt", "00000002_000.png\n00000003_000.png\n")
    write(folder / "BBox_List_2017.csv", BOXES)
    return folder


def test_every_row_is_a_film_that_is_present_or_missing(nih):
    manifest = read_sources([nih])
    films = by_name(manifest)
    assert films["status"].to_dict() == {row[:16]: "present" for row in ROWS} | {
        "00000003_000.png": "missing"
    }
    assert films["split"].tolist() == ["train", "train", "test", "test"]
    assert films["source"].tolist() == ["images_001", "images_001", "images_002", "cxr8"]
    assert films["patient"].tolist() == ["1", "1", "2", "3"]
    assert films["age"].tolist() == [57, 58, 80, 81]
    assert films["view"].tolist() == ["PA", "AP", "PA", "PA"]
    assert films["sex"].tolist() == ["M", "M", "F", "F"]
    assert films.loc["00000003_000.png", "image"] == str(nih / "images" / "00000003_000.png")
    assert source_issues_by_code(manifest)["missing_images"].count == 1
    assert set(source_issues_by_code(manifest)) == {
        "missing_images",
        "unnamed_columns",
        "label_alias",
        "text_mined_labels",
    }


def test_all_fourteen_findings_were_looked_for_in_every_film(nih):
    manifest = read_sources([nih])
    films = by_name(manifest)
    assert len(manifest.findings) == 14
    positive = {
        name: [key for key in manifest.findings if films.loc[name, key] == 1]
        for name in films.index
    }
    assert positive == {
        "00000001_000.png": ["cardiomegaly", "effusion"],
        "00000001_001.png": [],
        "00000002_000.png": ["pneumonia"],
        "00000003_000.png": ["hernia"],
    }
    assert films[list(manifest.findings)].notna().all(axis=None)


def test_boxes_are_fractions_of_the_film(nih):
    manifest = read_sources([nih])
    assert (
        manifest.boxes["image"].tolist()
        == [str(nih / "images_001" / "images" / "00000001_000.png")] * 2
    )
    assert manifest.boxes["finding"].tolist() == ["cardiomegaly", "infiltration"]
    assert manifest.boxes.iloc[0, 2:].tolist() == [0.25, 0.5, 0.5, 0.125]
    assert (
        source_issues_by_code(manifest)["label_alias"].message
        == "Read Infiltrate as Infiltration (1 label)."
    )
    (nih / "BBox_List_2017.csv").unlink()
    assert read_sources([nih]).boxes.empty


def test_kaggles_copy_with_the_old_table(tmp_path):
    """One images/ folder, ages like 057Y and 411, two header cells cut by their commas and one without a name."""
    touch(tmp_path / "images" / "00000001_000.png", tmp_path / "images" / "00000002_000.png")
    write(
        tmp_path / "Data_Entry_2017.csv",
        "﻿Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
        "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],\n"
        "00000001_000.png,Pleural_Thickening,0,1,057Y,M,PA,2682,2749,0.143,0.143,\n"
        "00000002_000.png,No Finding,7,2,411,F,XX,2682,2749,0.143,0.143,\n",
    )
    write(tmp_path / "test_list.txt", "00000002_000.png\r\n")
    manifest = read_sources([tmp_path])
    films = by_name(manifest)
    assert films["age"].tolist()[0] == 57
    assert np.isnan(films["age"].tolist()[1])
    assert films["pleural_thickening"].tolist() == [1, 0]
    assert films["source"].tolist() == [tmp_path.name] * 2
    assert films["split"].tolist() == ["train", "test"]
    found = source_issues_by_code(manifest)
    assert set(found) == {
        *(
            "byte_order_mark",
            "unnamed_columns",
            "impossible_age",
            "unknown_value",
            "follow_up_differs",
        ),
        "text_mined_labels",
    }
    assert found["impossible_age"].message == "An age below 0 or above 120 years in 1 film: 411."
    assert found["follow_up_differs"].examples == ("00000002_000.png",)


def test_newer_table_is_preferred(nih):
    write(nih / "Data_Entry_2017.csv", entries("00000001_000.png,Mass,0,1,411Y,M,PA"))
    assert len(read_sources([nih]).table) == 4


def test_table_in_one_folder_describes_films_in_another(nih, tmp_path):
    more = tmp_path / "nih_boxes_256"
    touch(more / "images" / "00000003_000.png")
    for folders in ([nih, more], [more, nih]):
        films = by_name(read_sources(folders))
        assert films.loc["00000003_000.png", ["status", "source"]].tolist() == [
            "present",
            "nih_boxes_256",
        ]
        assert films.loc["00000003_000.png", "image"] == str(more / "images" / "00000003_000.png")


def test_films_without_their_table_error_names_it(tmp_path):
    touch(tmp_path / "images" / "00000003_000.png")
    with pytest.raises(
        DataError, match=r"no Data_Entry_2017\*\.csv below .*test_list\.txt, with another --data"
    ):
        read_sources([tmp_path])


def test_lists_without_entries_give_the_same_error(nih):
    (nih / "Data_Entry_2017_v2020.csv").unlink()
    with pytest.raises(DataError, match=r"no Data_Entry_2017\*\.csv below"):
        read_sources([nih])


def test_first_folder_wins_for_equal_names(nih, tmp_path):
    touch(
        tmp_path / "more" / "images" / "00000001_000.png",
        tmp_path / "more" / "images" / "00000003_000.png",
    )
    manifest = read_sources([tmp_path / "more", nih])
    assert by_name(manifest).loc["00000001_000.png", "source"] == "more"
    twice = source_issues_by_code(manifest)["same_name_twice"]
    assert (twice.count, twice.examples) == (1, ("00000001_000.png",))


def test_surplus_images_are_counted(nih):
    touch(nih / "images_001" / "images" / "cover.png")
    surplus = source_issues_by_code(read_sources([nih]))["surplus_images"]
    assert (surplus.count, surplus.examples) == (1, ("cover.png",))


def test_without_a_test_list_there_is_no_split(nih):
    (nih / "test_list.txt").unlink()
    manifest = read_sources([nih])
    assert manifest.table["split"].isna().all()
    assert source_issues_by_code(manifest)["no_split"].count == 4


def test_film_in_neither_list_counts_as_training(nih):
    write(nih / "train_val_list.txt", "00000001_000.png\n")
    manifest = read_sources([nih])
    left_out = source_issues_by_code(manifest)["not_in_split"]
    assert (left_out.count, left_out.examples) == (1, ("00000001_001.png",))
    assert by_name(manifest)["split"].tolist() == ["train", "train", "test", "test"]


def test_film_in_both_lists_blocks(nih):
    write(nih / "train_val_list.txt", "\n".join(row[:16] for row in ROWS[:3]))
    manifest = read_sources([nih])
    both = source_issues_by_code(manifest)["contradictory_rows"]
    assert both.images == (str(nih / "images_002" / "images" / "00000002_000.png"),)
    assert by_name(manifest).loc["00000002_000.png", "split"] == "test"


def test_repeated_and_contradicting_rows_are_distinguished(nih):
    other = "00000002_000.png,Mass,0,2,80,F,PA"
    write(nih / "Data_Entry_2017_v2020.csv", entries(*ROWS, ROWS[0], ROWS[0], other))
    manifest = read_sources([nih])
    found = source_issues_by_code(manifest)
    assert found["duplicate_rows"].count == 2
    assert found["contradictory_rows"].images == (
        str(nih / "images_002" / "images" / "00000002_000.png"),
    )
    assert by_name(manifest).loc["00000002_000.png", ["pneumonia", "mass"]].tolist() == [1, 0]
    assert len(manifest.table) == 4


def test_unknown_label_leaves_other_findings_unknown(nih):
    write(
        nih / "Data_Entry_2017_v2020.csv",
        entries("00000001_000.png,Mass|Toothache,0,1,57,M,PA", *ROWS[1:]),
    )
    manifest = read_sources([nih])
    unknown = source_issues_by_code(manifest)["unknown_label"]
    assert unknown.images == (str(nih / "images_001" / "images" / "00000001_000.png"),)
    film = by_name(manifest).loc["00000001_000.png"]
    assert film["mass"] == 1
    assert np.isnan(film["hernia"])


def test_missing_columns_error_names_existing_ones(nih):
    write(nih / "Data_Entry_2017_v2020.csv", "Image Index,Labels\n00000001_000.png,Mass\n")
    with pytest.raises(
        DataError, match="no column Finding Labels, Patient ID; it has Image Index, Labels"
    ):
        read_sources([nih])


def test_images_that_the_table_does_not_list_are_refused_but_a_table_alone_is_not(nih):
    for path in nih.rglob("*.png"):
        path.rename(path.with_name("renamed-" + path.name))
    with pytest.raises(
        DataError, match=r"none of the 3 images found is listed in .*such as 00000001_000\.png"
    ):
        read_sources([nih])
    for path in nih.rglob("*.png"):
        path.unlink()
    assert set(read_sources([nih]).table["status"]) == {"missing"}


@pytest.mark.parametrize("box", ["00000001_000.png,Mass,1,2,3", "00000001_000.png,Mass,1,2,3,wide"])
def test_a_box_without_four_numbers_is_refused(nih, box):
    write(nih / "BBox_List_2017.csv", f"Image Index,Finding Label,Bbox [x,y,w,h],,,\n{box}\n")
    with pytest.raises(DataError, match=r"BBox_List_2017\.csv does not give each box"):
        read_sources([nih])


def test_the_real_release_and_its_test_split(real_data):
    manifest = read_sources([real_data / "nih_cxr8"])
    assert len(manifest.table) == 112_120
    usable = manifest.select_usable()
    test = usable.select_split("test").table
    assert (len(test), int(test["cardiomegaly"].sum())) == (1306, 58)
    assert int(usable.select_split("train").table["cardiomegaly"].sum()) == 214
    assert usable.table["source"].value_counts().to_dict() == {
        "images_001": 4139,
        "images_002": 8323,
    }
    found = source_issues_by_code(manifest)
    assert found["follow_up_differs"].count == 24_106
    assert found["missing_images"].count == 112_120 - 12_462
    assert (found["label_alias"].count, len(manifest.boxes)) == (123, 984)
    assert "not_in_split" not in found


def test_the_real_labels_agree_with_pandas(real_data):
    truth = pd.read_csv(real_data / "nih_cxr8" / "Data_Entry_2017_v2020.csv").set_index(
        "Image Index"
    )
    films = by_name(read_sources([real_data / "nih_cxr8"])).loc[truth.index]
    dummies = truth["Finding Labels"].str.get_dummies("|")
    for column in dummies.columns.drop("No Finding"):
        assert (films[column.lower()] == dummies[column]).all()
    assert (films["age"] == truth["Patient Age"]).all()
    assert (films["view"] == truth["View Position"]).all()
    assert (films["patient"] == truth["Patient ID"].astype(str)).all()


def test_the_real_boxes_agree_with_pandas(real_data):
    frame = pd.read_csv(real_data / "nih_cxr8" / "BBox_List_2017.csv").iloc[:, :6]
    boxes = read_sources([real_data / "nih_cxr8"]).boxes
    assert boxes["image"].str.rsplit("/", n=1).str[-1].tolist() == frame.iloc[:, 0].tolist()
    np.testing.assert_allclose(
        boxes.iloc[:, 2:].to_numpy(), frame.iloc[:, 2:].to_numpy() / 1024, rtol=1e-6
    )
    assert ((boxes["left"] + boxes["width"]).max(), (boxes["top"] + boxes["height"]).max()) <= (
        1,
        1,
    )


def test_real_folders_together_share_no_patient_between_splits(real_data):
    boxes = read_sources([real_data / "nih_boxes_256", real_data / "nih_cxr8"])
    films = boxes.select_usable().table
    films = films[films["source"] == "nih_boxes_256"]
    assert len(films) == 507
    assert set(films["split"]) == {"test"}
    assert int(films["cardiomegaly"].sum()) == 105
    names = ("nih_cxr8", "nih_pneumonia_256", "nih_boxes_256", "nih_originals_1024")
    every = read_sources([real_data / name for name in names])
    assert every.table.groupby("patient")["split"].nunique().max() == 1
    assert source_issues_by_code(every)["same_name_twice"].count == 427
    assert set(every.select_usable().table["source"]) == {
        "images_001",
        "images_002",
        "nih_pneumonia_256",
        "nih_boxes_256",
    }


def test_reading_the_full_table_takes_five_seconds_and_500_mb_at_most(real_data, tmp_path):
    for path in (real_data / "nih_cxr8").glob("*.*"):
        if path.is_file():
            shutil.copy(path, tmp_path)
    code = (
        "import sys, time; from pathlib import Path; from cxr_core.data.sources.detect import read_sources\n"
        "start = time.process_time(); films = len(read_sources([Path(sys.argv[1])]).table)\n"
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(films, time.process_time() - start, int(peak.split()[1]) / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    films, seconds, megabytes = map(float, done.stdout.split())
    assert films == 112_120
    assert seconds <= 5
    assert megabytes <= 500

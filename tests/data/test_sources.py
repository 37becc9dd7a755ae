import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cxr_core.data.manifest import Manifest
from cxr_core.data.sources import read_sources
from cxr_core.data.splits import carve_validation, drop_identical
from cxr_core.errors import DataError


def picture(path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), value % 256, np.uint8)).save(path)


@pytest.fixture
def kaggle(tmp_path):
    for i in range(12):
        picture(tmp_path / "train" / "NORMAL" / f"IM-{i:04d}-0001.jpeg", i)
        picture(tmp_path / "train" / "PNEUMONIA" / f"person{i // 2}_bacteria_{i}.jpeg", 100 + i)
    picture(tmp_path / "test" / "PNEUMONIA" / "person1_virus_9.jpeg", 200)
    picture(tmp_path / "test" / "NORMAL" / "NORMAL2-IM-0927-0001.jpeg", 201)
    return tmp_path


@pytest.fixture
def nih(tmp_path):
    names = ["00000001_000.png", "00000001_001.png", "00000002_000.png"]
    for i, name in enumerate(names):
        picture(tmp_path / "images_001" / "images" / name, i)
    (tmp_path / "Data_Entry_2017_v2020.csv").write_text(
        "﻿Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position\n"
        "00000001_000.png,Cardiomegaly|Effusion,0,1,057Y,M,PA\n"
        "00000001_001.png,No Finding,7,1,411,M,AP\n"
        "00000002_000.png,Pneumonia,0,2,80,F,XX\n"
        "00000003_000.png,Hernia,0,3,81,F,PA\n",
        encoding="utf-8",
    )
    (tmp_path / "test_list.txt").write_text("00000002_000.png\n")
    return tmp_path


def test_a_kaggle_folder_scopes_patients_to_their_part(kaggle):
    table = read_sources([kaggle]).table.set_index(read_sources([kaggle]).table["image"].map(lambda p: p.name))
    assert table.loc["person1_virus_9.jpeg", "patient"] == "test/person1"
    assert table.loc["person0_bacteria_1.jpeg", "patient"] == "train/person0"
    assert table.loc["NORMAL2-IM-0927-0001.jpeg", "patient"] == "test/NORMAL2-IM-0927"
    assert table.loc["IM-0003-0001.jpeg", "pneumonia"] == 0
    assert table.loc["person0_bacteria_1.jpeg", "pneumonia"] == 1


def test_nih_is_joined_on_the_file_name_and_knows_what_is_unknown(nih):
    manifest = read_sources([nih])
    table = manifest.table.set_index(manifest.table["image"].map(lambda p: p.name))
    assert table["split"].to_dict() == {
        "00000001_000.png": "train",
        "00000001_001.png": "train",
        "00000002_000.png": "test",
    }
    assert table["cardiomegaly"].tolist() == [1, 0, 0]
    assert table["hernia"].tolist() == [0, 0, 0] if "hernia" in table else True
    assert table["age"].tolist()[0] == 57
    assert np.isnan(table["age"].tolist()[1])
    assert table["view"].tolist()[:2] == ["PA", "AP"]
    assert pd.isna(table["view"].tolist()[2])


def test_a_table_in_one_folder_serves_films_in_another(nih, tmp_path_factory):
    other = tmp_path_factory.mktemp("more")
    picture(other / "images" / "00000003_000.png")
    names = set(read_sources([nih, other]).table["image"].map(lambda p: p.name))
    assert "00000003_000.png" in names


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match="there is no folder"):
        read_sources([tmp_path / "nowhere"])
    with pytest.raises(DataError, match="no known layout"):
        read_sources([tmp_path])
    picture(tmp_path / "train" / "BROKEN BONE" / "a.png")
    with pytest.raises(DataError, match="no known finding"):
        read_sources([tmp_path])
    with pytest.raises(DataError, match="choose from folder, nih14"):
        read_sources([tmp_path], "dicoms")


def test_identical_training_films_are_kept_once_and_the_test_part_whole(kaggle):
    source = kaggle / "train" / "NORMAL" / "IM-0000-0001.jpeg"
    for copy in ("train/NORMAL/IM-9999-0001.jpeg", "test/NORMAL/IM-0001-0001.jpeg", "test/NORMAL/IM-0002-0001.jpeg"):
        (kaggle / copy).write_bytes(source.read_bytes())
    before, after = read_sources([kaggle]), drop_identical(read_sources([kaggle]))
    assert len(before.part("train").table) - len(after.part("train").table) == 1
    assert len(before.part("test").table) == len(after.part("test").table)


@given(
    patients=st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=40, max_size=120),
    share=st.floats(0.1, 0.4),
    seed=st.integers(0, 9),
)
@settings(max_examples=40, deadline=None)
def test_no_patient_is_on_both_sides_of_a_split(patients, share, seed):
    rows = [(f"{i}.png", str(p), "train", "s", None, np.nan, None, float(f)) for i, (p, f) in enumerate(patients)]
    columns = ["image", "patient", "split", "source", "view", "age", "sex", "pneumonia"]
    manifest = Manifest(pd.DataFrame(rows, columns=columns), "csv", "")
    try:
        carved = carve_validation(manifest, "pneumonia", share, seed).table
    except DataError:
        return
    assert carved.groupby("patient")["split"].nunique().max() == 1
    assert set(carved["split"]) == {"train", "val"}
    assert (carved[carved["split"] == "val"]["pneumonia"] == 1).any()
    again = carve_validation(manifest, "pneumonia", share, seed).table
    assert carved.equals(again)


def test_the_official_nih_parts_share_no_patient(real_data):
    manifest = read_sources([real_data / "nih_cxr8", real_data / "nih_boxes_256"])
    parts = manifest.table.groupby("patient")["split"].nunique()
    assert parts.max() == 1
    films = read_sources([real_data / "nih_cxr8"]).part("test").table
    assert (len(films), int(films["cardiomegaly"].sum())) == (1306, 58)


def test_the_real_kaggle_folder_has_its_official_test_part(real_data):
    test = read_sources([real_data / "kermany_pneumonia"]).part("test").table
    assert (len(test), int(test["pneumonia"].sum())) == (624, 390)

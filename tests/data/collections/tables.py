"""Layouts in which one table says what films show."""

from pathlib import Path

from cxr_core.data.sources.nih14 import NIH_FINDINGS
from tests.data.collections.layout import UNKNOWN, Expected, Layout, draw_films, write_lines

NIH_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
NIH_ABSENT = dict.fromkeys(NIH_FINDINGS, 0.0)


def _nih_rows(end: str) -> list[str]:
    return [
        f"00000001_000.png,Cardiomegaly|Effusion,0,1,{{}},M,PA,2682,2749,0.143,0.143{end}",
        f"00000001_001.png,No Finding,1,1,{{}},M,PA,2682,2749,0.143,0.143{end}",
        f"00000002_000.png,No Finding,0,2,{{}},F,AP,2500,2048,0.171,0.171{end}",
        f"00000003_000.png,Hernia,0,3,{{}},F,PA,2500,2048,0.171,0.171{end}",
    ]


NIH_FILMS = {
    "00000001_000.png": ("1", "PA", {**NIH_ABSENT, "cardiomegaly": 1.0, "effusion": 1.0}),
    "00000001_001.png": ("1", "PA", NIH_ABSENT),
    "00000002_000.png": ("2", "AP", NIH_ABSENT),
}


def _nih_expected(*folders: str) -> dict[str, Expected]:
    """folders: of each film. The last film is in the test split."""
    films = {}
    for folder, (name, (patient, view, labels)) in zip(folders, NIH_FILMS.items(), strict=True):
        split = "test" if name == "00000002_000.png" else "train"
        films[folder + name] = Expected(patient=patient, split=split, view=view, labels=labels)
    return films


def _write_old_nih(folder: Path) -> None:
    names = list(NIH_FILMS)
    draw_films(folder / "images_001" / "images", *names[:2])
    draw_films(folder / "images_002" / "images", names[2], "00009999_000.png")
    rows = [row.format("058Y") for row in _nih_rows(",")]
    write_lines(folder / "Data_Entry_2017.csv", f"{NIH_HEADER},", *rows)
    write_lines(folder / "train_val_list.txt", *names[:2])
    write_lines(folder / "test_list.txt", names[2], "00000003_000.png")


def _write_new_nih(folder: Path) -> None:
    names = list(NIH_FILMS)
    draw_films(folder / "images", *names)
    rows = [row.format("58") for row in _nih_rows("")]
    write_lines(folder / "Data_Entry_2017_v2020.csv", NIH_HEADER, *rows)
    write_lines(folder / "train_val_list.txt", *names[:2])
    write_lines(folder / "test_list.txt", names[2], "00000003_000.png")
    header = "Image Index,Finding Label,Bbox [x,y,w,h],,,"
    write_lines(folder / "BBox_List_2017.csv", header, f"{names[2]},Infiltrate,100,200,50,60,,,")


CHEXPERT_HEADER = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Opacity,Lung Lesion,"
    "Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,Support Devices"
)


def _write_chexpert(folder: Path) -> None:
    root = "CheXpert-v1.0-small/"
    films = (
        "train/patient00001/study1/view1_frontal.jpg",
        "train/patient00001/study1/view2_lateral.jpg",
        "train/patient00002/study2/view1_frontal.jpg",
        "valid/patient64541/study1/view1_frontal.jpg",
        "valid/patient64541/study1/view2_lateral.jpg",
    )
    draw_films(folder, *films)
    write_lines(
        folder / "train.csv",
        CHEXPERT_HEADER,
        f"{root}{films[0]},Female,68,Frontal,AP,,,1.0,,,-1.0,,,,,0.0,,,",
        f"{root}{films[1]},Female,68,Lateral,,,,1.0,,,-1.0,,,,,0.0,,,",
        f"{root}{films[2]},Male,87,Frontal,PA,1.0,,,,,,,,,,,,,",
        f"{root}train/patient00003/study1/view1_frontal.jpg,Male,40,Frontal,PA,,,,,,,,,,,,,,",
    )
    write_lines(
        folder / "valid.csv",
        CHEXPERT_HEADER,
        f"{root}{films[3]},Male,73,Frontal,AP,0.0,1.0,1.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0",
        f"{root}{films[4]},Male,73,Lateral,,0.0,1.0,1.0,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0",
    )


CHEXPERT_KEYS = [
    "cardiomegaly",
    "edema",
    "consolidation",
    "pneumonia",
    "atelectasis",
    "pneumothorax",
    "effusion",
]
CHEXPERT_FILMS = {
    "train/patient00001/study1/view1_frontal.jpg": Expected(
        patient="patient00001",
        split="train",
        view="AP",
        labels={"cardiomegaly": 1, "edema": UNKNOWN, "effusion": 0},
    ),
    "train/patient00002/study2/view1_frontal.jpg": Expected(
        patient="patient00002", split="train", view="PA", labels=dict.fromkeys(CHEXPERT_KEYS, 0.0)
    ),
    "valid/patient64541/study1/view1_frontal.jpg": Expected(
        patient="patient64541",
        split="val",
        view="AP",
        labels={**dict.fromkeys(CHEXPERT_KEYS, 0.0), "cardiomegaly": 1.0},
    ),
}


PADCHEST_FILMS = (
    "216840111366964012768025509942010049093904413_00-065-001.png",
    "216840111366964012768025509942010049093904413_00-065-002.png",
    "216840111366964013686042548532013208193054515_02-026-007.png",
    "20536686640136348236148679891455886468_k6ga29.png",
    "134767856916177344112370440117541094210_koj2gw.png",
)


def _write_padchest(folder: Path) -> None:
    for place, name in enumerate(PADCHEST_FILMS):
        draw_films(folder / str(place % 2), name)
    rows = (
        ",0,0,20140915,S1,839860488694292331637988235681460987,1930.0,F,POSTEROANTERIOR,PA,"
        "\"['cardiomegaly', ' pleural effusion']\"",
        ",1,1,20140915,S1,839860488694292331637988235681460987,1930.0,F,LATERAL,L,"
        "\"['cardiomegaly', ' pleural effusion']\"",
        ",2,0,20120508,S2,93788070457145614711,1971.0,M,ANTEROPOSTERIOR,AP_horizontal,['normal']",
        ",3,1,20120508,S3,93788070457145614712,1950.0,M,,COSTAL,['normal']",
        ",4,0,20120508,S4,93788070457145614713,1950.0,M,,EXCLUDE,['exclude']",
    )
    write_lines(
        folder / "PADCHEST_chest_x_ray_images_labels_160K_01.02.19.csv",
        "ImageID,,ImageDir,StudyDate_DICOM,StudyID,PatientID,PatientBirth,PatientSex_DICOM,ViewPosition_DICOM,"
        "Projection,Labels",
        *(name + row for name, row in zip(PADCHEST_FILMS, rows, strict=True)),
    )


def _write_corona_hack(folder: Path) -> None:
    root = folder / "Coronahack-Chest-XRay-Dataset" / "Coronahack-Chest-XRay-Dataset"
    draw_films(root / "train", "IM-0128-0001.jpeg", "person1_bacteria_1.jpeg", "1-s2.0.jpg")
    draw_films(root / "test", "person1_virus_6.jpeg")
    write_lines(
        folder / "Chest_xray_Corona_Metadata.csv",
        ",X_ray_image_name,Label,Dataset_type,Label_2_Virus_category,Label_1_Virus_category",
        "0,IM-0128-0001.jpeg,Normal,TRAIN,,",
        "1,person1_bacteria_1.jpeg,Pnemonia,TRAIN,,bacteria",
        "2,1-s2.0.jpg,Pnemonia,TRAIN,COVID-19,Virus",
        "3,person1_virus_6.jpeg,Pnemonia,TEST,,Virus",
        "4,person2_virus_7.jpeg,Pnemonia,TEST,,Virus",
    )


CORONA = "Coronahack-Chest-XRay-Dataset/Coronahack-Chest-XRay-Dataset/"


def _write_mimic_paths(folder: Path) -> None:
    films = (
        "files/p10/p10000032/s50414267/02aa804e-bde0afdd.jpg",
        "files/p10/p10000032/s50414267/174413ec-4ec4c1f7.jpg",
        "files/p11/p11000011/s51029426/2a2277a9-b0ded155.jpg",
    )
    draw_films(folder, *films)
    write_lines(
        folder / "films.csv",
        "path,ViewPosition,Cardiomegaly",
        f"{films[0]},PA,1",
        f"{films[1]},LL,1",
        f"{films[2]},AP,0",
    )


LAYOUTS = (
    Layout(
        name="NIH ChestX-ray14, first release",
        contents="`Data_Entry_2017.csv`, lists, `images_001/images` to `images_012/images`",
        answer="The lists give the split; ages such as 058Y are read. Films that are not there are counted as missing.",
        build=_write_old_nih,
        kind="nih14",
        films=_nih_expected("images_001/images/", "images_001/images/", "images_002/images/"),
        files=4,
        rows=4,
        left_out={"not_listed": 1},
        unused_rows={"missing": 1},
        issues=frozenset(
            {"unnamed_columns", "text_mined_labels", "missing_images", "surplus_images"}
        ),
    ),
    Layout(
        name="NIH ChestX-ray14, v2020",
        contents="`Data_Entry_2017_v2020.csv`, lists, `BBox_List_2017.csv`, `images`",
        answer="As above; boxes are read.",
        build=_write_new_nih,
        kind="nih14",
        films=_nih_expected("images/", "images/", "images/"),
        files=3,
        rows=4,
        unused_rows={"missing": 1},
        issues=frozenset({"unnamed_columns", "label_alias", "text_mined_labels", "missing_images"}),
    ),
    Layout(
        name="CheXpert",
        contents="`train.csv`, `valid.csv`, `train/patient00001/study1/view1_frontal.jpg`",
        answer="Tables' names give the split, paths the patient. Laterals are left out; -1 is unknown.",
        build=_write_chexpert,
        kind="csv",
        films=CHEXPERT_FILMS,
        files=5,
        rows=6,
        left_out={"lateral_views": 2},
        unused_rows={"missing": 1, "lateral_views": 2},
        issues=frozenset(
            {"label_alias", "patients_from_paths", "missing_images", "unknown_columns"}
        ),
    ),
    Layout(
        name="PadChest",
        contents="`PADCHEST_….csv`, films in folders `0` to `54`",
        answer="`Labels` is a list; the age comes from year of birth and date. Lateral, costal and excluded films are "
        "left out.",
        build=_write_padchest,
        kind="csv",
        films={
            f"0/{PADCHEST_FILMS[0]}": Expected(
                patient="839860488694292331637988235681460987",
                view="PA",
                labels={"cardiomegaly": 1, "effusion": 1},
            ),
            f"0/{PADCHEST_FILMS[2]}": Expected(
                patient="93788070457145614711", view="AP", labels={"cardiomegaly": 0, "effusion": 0}
            ),
        },
        files=5,
        rows=5,
        left_out={"lateral_views": 1, "other_views": 2},
        unused_rows={"lateral_views": 1, "other_views": 2},
        issues=frozenset({"unnamed_columns", "label_alias", "no_split"}),
    ),
    Layout(
        name="CoronaHack",
        contents="`Chest_xray_Corona_Metadata.csv`, films in `train` and `test` further down",
        answer="`Dataset_type` gives the split, `Label` the label (Pnemonia is pneumonia), the file name the patient.",
        build=_write_corona_hack,
        kind="csv",
        films={
            f"{CORONA}train/IM-0128-0001.jpeg": Expected(
                patient="train/IM-0128", split="train", labels={"pneumonia": 0}
            ),
            f"{CORONA}train/person1_bacteria_1.jpeg": Expected(
                patient="train/person1", split="train", labels={"pneumonia": 1}
            ),
            f"{CORONA}train/1-s2.0.jpg": Expected(
                patient=f"{CORONA}train/1-s2.0.jpg", split="train", labels={"pneumonia": 1}
            ),
            f"{CORONA}test/person1_virus_6.jpeg": Expected(
                patient="test/person1", split="test", labels={"pneumonia": 1}
            ),
        },
        files=4,
        rows=5,
        unused_rows={"missing": 1},
        issues=frozenset(
            {
                "unnamed_columns",
                "label_alias",
                "patients_from_paths",
                "patients_scoped",
                "patient_unknown",
                "population_unstated",
                "missing_images",
            }
        ),
    ),
    Layout(
        name="MIMIC-style paths",
        contents="`files/p10/p10000032/s50414267/….jpg` and a table with paths and labels",
        answer="The path gives the patient where no column does.",
        build=_write_mimic_paths,
        kind="csv",
        films={
            "files/p10/p10000032/s50414267/02aa804e-bde0afdd.jpg": Expected(
                patient="p10000032", view="PA", labels={"cardiomegaly": 1}
            ),
            "files/p11/p11000011/s51029426/2a2277a9-b0ded155.jpg": Expected(
                patient="p11000011", view="AP", labels={"cardiomegaly": 0}
            ),
        },
        files=3,
        rows=3,
        left_out={"lateral_views": 1},
        unused_rows={"lateral_views": 1},
        issues=frozenset({"patients_from_paths", "no_split", "population_unstated"}),
    ),
)

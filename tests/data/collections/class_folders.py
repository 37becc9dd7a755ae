"""Layouts in which folders say what films show."""

from pathlib import Path

from tests.data.collections.layout import Expected, Layout, draw_films

HEALTHY, ILL = {"pneumonia": 0.0}, {"pneumonia": 1.0}


def _write_kaggle(folder: Path) -> None:
    draw_films(
        folder,
        "train/NORMAL/IM-0115-0001.jpeg",
        "train/PNEUMONIA/person1_bacteria_1.jpeg",
        "train/PNEUMONIA/person1_virus_2.jpeg",
        "val/NORMAL/NORMAL2-IM-1427-0001.jpeg",
        "test/PNEUMONIA/person1_virus_6.jpeg",
        "test/NORMAL/IM-0001-0001.jpeg",
    )


KAGGLE_FILMS = {
    "train/NORMAL/IM-0115-0001.jpeg": Expected(
        patient="train/IM-0115", split="train", labels=HEALTHY
    ),
    "train/PNEUMONIA/person1_bacteria_1.jpeg": Expected(
        patient="train/person1", split="train", labels=ILL
    ),
    "train/PNEUMONIA/person1_virus_2.jpeg": Expected(
        patient="train/person1", split="train", labels=ILL
    ),
    "val/NORMAL/NORMAL2-IM-1427-0001.jpeg": Expected(
        patient="val/NORMAL2-IM-1427", split="val", labels=HEALTHY
    ),
    "test/PNEUMONIA/person1_virus_6.jpeg": Expected(
        patient="test/person1", split="test", labels=ILL
    ),
    "test/NORMAL/IM-0001-0001.jpeg": Expected(patient="test/IM-0001", split="test", labels=HEALTHY),
}


def _write_nested_kaggle(folder: Path) -> None:
    for copy in ("", "chest_xray/"):
        draw_films(
            folder,
            f"{copy}train/NORMAL/IM-0115-0001.jpeg",
            f"{copy}train/PNEUMONIA/bacteria/person1_bacteria_1.jpeg",
            f"{copy}train/PNEUMONIA/virus/person2_virus_2.jpeg",
            f"{copy}test/PNEUMONIA/virus/deeper/person3_virus_6.jpeg",
        )
    draw_films(folder, "train/overview.png", "figure.png")


def _write_covid(folder: Path) -> None:
    for name in ("COVID/{}/COVID-1.png", "COVID/{}/COVID-2.png", "Normal/{}/Normal-1.png",
                 "Viral Pneumonia/{}/Viral Pneumonia-1.png"):  # fmt: skip
        draw_films(folder, name.format("images"), name.format("masks"))
    (folder / "Normal.metadata.xlsx").write_bytes(b"PK")


def _write_patients(folder: Path) -> None:
    draw_films(
        folder,
        "NORMAL/patient00001/study1/view1_frontal.jpg",
        "NORMAL/patient00001/study1/view2_lateral.jpg",
        "NORMAL/patient00001/study2/view1_frontal.jpg",
        "CARDIOMEGALY/p10000032/s50414267/02aa804e.jpg",
    )


LAYOUTS = (
    Layout(
        name="Kaggle's chest_xray",
        contents="`train`, `val`, `test`, each with `NORMAL` and `PNEUMONIA`",
        answer="The folders give split and label, the names the patient, whose number counts within its split.",
        build=_write_kaggle,
        kind="folder",
        films=KAGGLE_FILMS,
        files=6,
        issues=frozenset({"patients_scoped", "population_unstated"}),
    ),
    Layout(
        name="Kaggle's chest_xray, nested",
        contents="the same again one folder down, with `PNEUMONIA/bacteria`, `PNEUMONIA/virus` and deeper ones",
        answer="Films any number of folders below their class. The deeper copy and images in no class are counted.",
        build=_write_nested_kaggle,
        kind="folder",
        films={
            "train/NORMAL/IM-0115-0001.jpeg": Expected(
                patient="train/IM-0115", split="train", labels=HEALTHY
            ),
            "train/PNEUMONIA/bacteria/person1_bacteria_1.jpeg": Expected(
                patient="train/person1", split="train", labels=ILL
            ),
            "train/PNEUMONIA/virus/person2_virus_2.jpeg": Expected(
                patient="train/person2", split="train", labels=ILL
            ),
            "test/PNEUMONIA/virus/deeper/person3_virus_6.jpeg": Expected(
                patient="test/person3", split="test", labels=ILL
            ),
        },
        files=10,
        left_out={"same_name": 4, "outside_classes": 2},
        issues=frozenset({"same_name_twice", "outside_classes", "population_unstated"}),
    ),
    Layout(
        name="COVID-19 Radiography Database",
        contents="`COVID/images`, `Normal/images`, `Viral Pneumonia/images`, and `masks` beside them",
        answer="The folder above `images` is the class; masks are counted. COVID is no known finding.",
        build=_write_covid,
        kind="folder",
        films={
            "COVID/images/COVID-1.png": Expected(patient="COVID-1"),
            "COVID/images/COVID-2.png": Expected(patient="COVID-2"),
            "Normal/images/Normal-1.png": Expected(patient="Normal-1", labels=HEALTHY),
            "Viral Pneumonia/images/Viral Pneumonia-1.png": Expected(
                patient="Viral Pneumonia-1", labels=ILL
            ),
        },
        files=8,
        left_out={"masks": 4},
        issues=frozenset({"unknown_label", "patient_unknown", "no_split", "population_unstated"}),
    ),
    Layout(
        name="Class folders with a folder for each patient",
        contents="`NORMAL/patient00001/study1/view1_frontal.jpg`, `CARDIOMEGALY/p10000032/s50414267/…`",
        answer="The path gives the patient. Files called lateral are left out.",
        build=_write_patients,
        kind="folder",
        films={
            "NORMAL/patient00001/study1/view1_frontal.jpg": Expected(
                patient="patient00001", labels={"cardiomegaly": 0}
            ),
            "NORMAL/patient00001/study2/view1_frontal.jpg": Expected(
                patient="patient00001", labels={"cardiomegaly": 0}
            ),
            "CARDIOMEGALY/p10000032/s50414267/02aa804e.jpg": Expected(
                patient="p10000032", labels={"cardiomegaly": 1}
            ),
        },
        files=4,
        left_out={"lateral_views": 1},
        issues=frozenset({"no_split", "population_unstated"}),
    ),
)

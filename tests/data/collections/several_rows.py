"""Layouts with several rows about one film, or several tables about the same films."""

from pathlib import Path

from tests.data.collections.layout import UNKNOWN, Expected, Layout, draw_films, write_lines

EFFUSION_AND_HEART = {"effusion": 1.0, "cardiomegaly": 1.0}


def _write_long(folder: Path) -> None:
    draw_films(folder, "a.png", "b.png", "c.png")
    write_lines(
        folder / "findings.csv",
        "image,patient,finding",
        "a.png,1,Effusion",
        "a.png,1,Cardiomegaly",
        "b.png,2,No Finding",
        "c.png,3,Effusion",
        "c.png,3,No Finding",
    )


def _write_melted(folder: Path) -> None:
    draw_films(folder, "a.png", "b.png")
    write_lines(
        folder / "findings.csv",
        "image,patient,variable,value",
        "a.png,1,Effusion,1",
        "a.png,1,Cardiomegaly,0",
        "b.png,2,Effusion,0",
        "b.png,2,Cardiomegaly,-1",
    )


def _write_rsna(folder: Path) -> None:
    draw_films(folder / "stage_2_train_images", "0004cfab.dcm", "00313ee0.dcm", "00322d4d.dcm")
    draw_films(folder / "stage_2_test_images", "0000a175.dcm")
    write_lines(
        folder / "stage_2_train_labels.csv",
        "patientId,x,y,width,height,Target",
        "0004cfab,,,,,0",
        "00313ee0,,,,,0",
        "00322d4d,256.0,128.0,512.0,256.0,1",
        "00322d4d,562.0,152.0,256.0,453.0,1",
    )
    write_lines(
        folder / "stage_2_detailed_class_info.csv",
        "patientId,class",
        "0004cfab,No Lung Opacity / Not Normal",
        "00313ee0,Normal",
        "00322d4d,Lung Opacity",
        "00322d4d,Lung Opacity",
    )
    write_lines(
        folder / "stage_2_sample_submission.csv",
        "patientId,PredictionString",
        "0000a175,0.5 0 0 9 9",
    )


def _write_vindr(folder: Path) -> None:
    draw_films(folder / "train", "50a418190bc3fb1ef1633bf9678929b3.dicom", "21a10246a5ec7af151.dicom",
               "9a5094b2563a1ef3ff50dc5c7ff71345.dicom")  # fmt: skip
    draw_films(folder / "test", "002a34c58c5b758217ed1f584ccbcfe9.dicom")
    no = "{},No finding,14,{},,,,"
    write_lines(
        folder / "train.csv",
        "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max",
        *(
            no.format("50a418190bc3fb1ef1633bf9678929b3", reader)
            for reader in ("R11", "R15", "R10")
        ),
        "21a10246a5ec7af151,Cardiomegaly,3,R10,691,1375,1653,1831",
        "21a10246a5ec7af151,Pleural effusion,10,R10,1789,1729,1875,1992",
        "21a10246a5ec7af151,Cardiomegaly,3,R9,690,1370,1650,1830",
        no.format("21a10246a5ec7af151", "R8"),
        "9a5094b2563a1ef3ff50dc5c7ff71345,Cardiomegaly,3,R10,691,1375,1653,1831",
        no.format("9a5094b2563a1ef3ff50dc5c7ff71345", "R9"),
    )
    write_lines(
        folder / "sample_submission.csv",
        "image_id,PredictionString",
        "002a34c58c5b758217ed1f584ccbcfe9,14 1 0 0 1 1",
    )


def _write_vindr_labels(folder: Path) -> None:
    draw_films(folder / "train", "000434271f63a053c4128a0ba6352c7f.dicom")
    draw_films(folder / "test", "002a34c58c5b758217ed1f584ccbcfe9.dicom")
    row = "000434271f63a053c4128a0ba6352c7f,{},{},{},0"
    write_lines(
        folder / "annotations" / "image_labels_train.csv",
        "image_id,rad_ID,Cardiomegaly,Pneumonia,No finding",
        row.format("R2", 1, 0),
        row.format("R3", 0, 0),
        row.format("R6", 1, 1),
    )
    write_lines(
        folder / "annotations" / "image_labels_test.csv",
        "image_id,Cardiomegaly,Pneumonia,No finding",
        "002a34c58c5b758217ed1f584ccbcfe9,0,0,1",
    )


def _write_open_i(folder: Path) -> None:
    names = ("1_IM-0001-4001.dcm.png", "1_IM-0001-3001.dcm.png", "2_IM-0652-1001.dcm.png",
             "2_IM-0652-2001.dcm.png")  # fmt: skip
    draw_films(folder / "images" / "images_normalized", *names)
    write_lines(
        folder / "indiana_projections.csv",
        "uid,filename,projection",
        f"1,{names[0]},Frontal",
        f"1,{names[1]},Lateral",
        f"2,{names[2]},Frontal",
        f"2,{names[3]},Lateral",
        "3,3_IM-1384-1001.dcm.png,Frontal",
    )
    write_lines(
        folder / "indiana_reports.csv",
        "uid,MeSH,Problems,image,indication,comparison,findings,impression",
        '1,normal,normal,Xray Chest PA and Lateral,Positive TB test,None.,"Clear lungs, no effusion.",Normal.',
        '2,Cardiomegaly/borderline,Cardiomegaly,"Chest, 2 views",Pain,None.,"Edema, none. Large heart.",Large heart.',
        "3,normal,normal,Chest,,,,",
    )


def _write_mimic(folder: Path) -> None:
    draw_films(
        folder / "files/p10/p10000032/s50414267", "02aa804e-bde0afdd.jpg", "174413ec-4ec4c1f7.jpg"
    )
    draw_films(folder / "files/p11/p11000011/s51029426", "2a2277a9-b0ded155.jpg")
    write_lines(
        folder / "mimic-cxr-2.0.0-metadata.csv",
        "dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns",
        '02aa804e-bde0afdd,10000032,50414267,"CHEST (PA AND LAT)",PA,3056,2544',
        '174413ec-4ec4c1f7,10000032,50414267,"CHEST (PA AND LAT)",LATERAL,3056,2544',
        '2a2277a9-b0ded155,11000011,51029426,"CHEST (PORTABLE AP)",AP,3056,2544',
    )
    write_lines(
        folder / "mimic-cxr-2.0.0-split.csv",
        "dicom_id,study_id,subject_id,split",
        "02aa804e-bde0afdd,50414267,10000032,train",
        "174413ec-4ec4c1f7,50414267,10000032,train",
        "2a2277a9-b0ded155,51029426,11000011,validate",
    )
    write_lines(
        folder / "mimic-cxr-2.0.0-chexpert.csv",
        "subject_id,study_id,Cardiomegaly,No Finding,Pleural Effusion",
        "10000032,50414267,1.0,,-1.0",
        "11000011,51029426,,1.0,",
    )


LONG_ISSUES = {"joined_rows", "no_split", "population_unstated"}

LAYOUTS = (
    Layout(
        name="One row a finding",
        contents="a table `image`, `finding` with several rows a film",
        answer="A film has every finding that one of its rows names. A finding beside No Finding is a contradiction.",
        build=_write_long,
        kind="csv",
        films={
            "a.png": Expected(patient="1", labels=EFFUSION_AND_HEART),
            "b.png": Expected(patient="2", labels={"effusion": 0, "cardiomegaly": 0}),
            "c.png": Expected(patient="3", labels={"effusion": 1, "cardiomegaly": 0}),
        },
        files=3,
        rows=5,
        unused_rows={"joined": 2},
        issues=frozenset({*LONG_ISSUES, "contradictory_rows"}),
    ),
    Layout(
        name="One row a finding, with a value",
        contents="a table `image`, `variable`, `value`",
        answer="Each row says whether its finding is there; what no row says is unknown.",
        build=_write_melted,
        kind="csv",
        films={
            "a.png": Expected(patient="1", labels={"effusion": 1, "cardiomegaly": 0}),
            "b.png": Expected(patient="2", labels={"effusion": 0, "cardiomegaly": UNKNOWN}),
        },
        files=2,
        rows=4,
        unused_rows={"joined": 2},
        issues=frozenset(LONG_ISSUES),
    ),
    Layout(
        name="RSNA Pneumonia Detection Challenge",
        contents="`stage_2_train_labels.csv`, `stage_2_detailed_class_info.csv`, films named by `patientId`",
        answer="`Target` or Lung Opacity is pneumonia, all but Normal abnormal; boxes are in 1024 px.",
        build=_write_rsna,
        kind="dicom",
        films={
            "stage_2_train_images/0004cfab.dcm": Expected(
                patient="0004cfab", labels={"pneumonia": 0, "abnormality": 1}
            ),
            "stage_2_train_images/00313ee0.dcm": Expected(
                patient="00313ee0", labels={"pneumonia": 0, "abnormality": 0}
            ),
            "stage_2_train_images/00322d4d.dcm": Expected(
                patient="00322d4d", labels={"pneumonia": 1, "abnormality": 1}
            ),
        },
        files=4,
        rows=8,
        left_out={"not_listed": 1},
        unused_rows={"joined": 5},
        issues=frozenset({*LONG_ISSUES, "joined_tables", "label_alias", "surplus_images"}),
    ),
    Layout(
        name="VinDr-CXR (Kaggle)",
        contents="`train.csv` with one row a box and radiologist, `train`, `test`",
        answer="A radiologist's rows are joined; of several the majority counts, a tie is unknown. Boxes are left out.",
        build=_write_vindr,
        kind="dicom",
        films={
            "train/50a418190bc3fb1ef1633bf9678929b3.dicom": Expected(
                patient="train/50a418190bc3fb1ef1633bf9678929b3.dicom",
                labels={"cardiomegaly": 0, "effusion": 0},
            ),
            "train/21a10246a5ec7af151.dicom": Expected(
                patient="train/21a10246a5ec7af151.dicom", labels={"cardiomegaly": 1, "effusion": 0}
            ),
            "train/9a5094b2563a1ef3ff50dc5c7ff71345.dicom": Expected(
                patient="train/9a5094b2563a1ef3ff50dc5c7ff71345.dicom",
                labels={"cardiomegaly": UNKNOWN, "effusion": 0},
            ),
        },
        files=4,
        rows=9,
        left_out={"not_listed": 1},
        unused_rows={"joined": 6},
        issues=frozenset(
            {
                *LONG_ISSUES,
                "boxes_left_out",
                "readers_disagree",
                "patient_unknown",
                "label_alias",
                "surplus_images",
            }
        ),
    ),
    Layout(
        name="VinDr-CXR (PhysioNet)",
        contents="`annotations/image_labels_train.csv` with one row a radiologist, `image_labels_test.csv`",
        answer="As above; the tables' names give the split.",
        build=_write_vindr_labels,
        kind="dicom",
        films={
            "train/000434271f63a053c4128a0ba6352c7f.dicom": Expected(
                patient="train/000434271f63a053c4128a0ba6352c7f.dicom",
                split="train",
                labels={"cardiomegaly": 1, "pneumonia": 0},
            ),
            "test/002a34c58c5b758217ed1f584ccbcfe9.dicom": Expected(
                patient="test/002a34c58c5b758217ed1f584ccbcfe9.dicom",
                split="test",
                labels={"cardiomegaly": 0, "pneumonia": 0},
            ),
        },
        files=2,
        rows=4,
        unused_rows={"joined": 2},
        issues=frozenset(
            {
                "joined_rows",
                "joined_tables",
                "readers_disagree",
                "patient_unknown",
                "population_unstated",
            }
        ),
    ),
    Layout(
        name="OpenI (Indiana University)",
        contents="`indiana_projections.csv`, `indiana_reports.csv`, `images/images_normalized`",
        answer="`Problems`, joined by `uid`, is the label. Laterals are left out. An examination is a patient.",
        build=_write_open_i,
        kind="csv",
        films={
            "images/images_normalized/1_IM-0001-4001.dcm.png": Expected(
                patient="study 1", labels={"cardiomegaly": 0}
            ),
            "images/images_normalized/2_IM-0652-1001.dcm.png": Expected(
                patient="study 2", labels={"cardiomegaly": 1}
            ),
        },
        files=4,
        rows=5,
        left_out={"lateral_views": 2},
        unused_rows={"missing": 1, "lateral_views": 2},
        issues=frozenset(
            {
                "joined_tables",
                "patients_from_studies",
                "no_split",
                "population_unstated",
                "missing_images",
            }
        ),
    ),
    Layout(
        name="MIMIC-CXR-JPG",
        contents="`mimic-cxr-2.0.0-metadata.csv`, `…-split.csv`, `…-chexpert.csv`, `files/p10/p10000032/…`",
        answer="The tables are joined by `dicom_id` and `study_id`.",
        build=_write_mimic,
        kind="csv",
        films={
            "files/p10/p10000032/s50414267/02aa804e-bde0afdd.jpg": Expected(
                patient="10000032",
                split="train",
                view="PA",
                labels={"cardiomegaly": 1, "effusion": UNKNOWN},
            ),
            "files/p11/p11000011/s51029426/2a2277a9-b0ded155.jpg": Expected(
                patient="11000011",
                split="val",
                view="AP",
                labels={"cardiomegaly": 0, "effusion": 0},
            ),
        },
        files=3,
        rows=6,
        left_out={"lateral_views": 1},
        unused_rows={"joined": 3, "lateral_views": 1},
        issues=frozenset({"joined_tables", "label_alias", "population_unstated"}),
    ),
)

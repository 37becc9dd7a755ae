"""A dataset's own labels are named, mapped to findings or ignored, and refused with a sentence where that fails."""

from pathlib import Path

import numpy as np
import pytest

from cxr_core.data.sources.detect import read_sources
from cxr_core.data.sources.label_mapping import LabelVocabulary, list_unused, merge_mappings
from cxr_core.errors import DataError
from cxr_core.known_findings import define_finding
from tests.data.layouts import by_name, source_issues_by_code, touch, write

pytestmark = pytest.mark.usefixtures("workspace")
TABLE = "file,patient,fracture_reader1,Herzvergr.,id,report\n" + "".join(
    f"{i}.png,p{i},{fracture},{heart},{100 + i},seen\n"
    for i, (fracture, heart) in enumerate(
        [("present", 1), ("Absent", 0), ("", -1), ("yes", 0), ("0", 1), ("N", "")]
    )
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    touch(*(tmp_path / "own" / f"{i}.png" for i in range(6)))
    write(tmp_path / "own" / "labels.csv", TABLE)
    return tmp_path / "own"


def read(folder: Path, **mapping: str):
    return read_sources([folder], vocabulary=LabelVocabulary.from_mapping(mapping))


def test_label_columns_of_no_known_finding_are_named(folder: Path) -> None:
    manifest = read(folder)
    issue = source_issues_by_code(manifest)["unknown_columns"]
    assert (issue.severity, issue.count) == ("warning", 2)
    assert issue.examples == ("fracture_reader1", "Herzvergr.")
    assert {column.name: column.may_be_label for column in manifest.unused_columns} == {
        "fracture_reader1": True, "Herzvergr.": True, "id": False, "report": False,
    }  # fmt: skip
    assert manifest.findings == ()


def test_mapped_columns_are_labels_and_unknown_is_not_negative(folder: Path) -> None:
    define_finding("rib_fracture", "Rib fracture", "A break of one or more ribs.")
    manifest = read(
        folder,
        **{"fracture_reader1": "rib_fracture", "HERZVERGR. ": "cardiomegaly", "id": "ignore"},
    )
    assert manifest.findings == ("cardiomegaly", "rib_fracture")
    labels = by_name(manifest)[["rib_fracture", "cardiomegaly"]].to_numpy()
    unknown = np.nan
    np.testing.assert_array_equal(
        labels, [[1, 1], [0, 0], [unknown, unknown], [1, 0], [0, 1], [0, unknown]]
    )
    assert [column.name for column in manifest.unused_columns] == ["report"]
    assert "unknown_columns" not in source_issues_by_code(manifest)


def test_two_columns_of_one_finding_are_refused_with_both_names(folder: Path) -> None:
    with pytest.raises(DataError, match=r"fracture_reader1 and Herzvergr\. both mean Cardiomegaly"):
        read(folder, **{"fracture_reader1": "cardiomegaly", "Herzvergr.": "cardiomegaly"})


def test_a_column_of_text_is_refused_with_what_it_holds(folder: Path) -> None:
    with pytest.raises(
        DataError, match=r"report is mapped to Mass, but holds text: .seen.\. A label is 1 or 0"
    ):
        read(folder, report="mass")


def test_a_few_words_among_labels_block_until_somebody_decides(tmp_path: Path) -> None:
    touch(tmp_path / "a.png", tmp_path / "b.png")
    write(tmp_path / "t.csv", "file,Herzvergr.\na.png,1\nb.png,maybe\n")
    issue = source_issues_by_code(read(tmp_path, **{"Herzvergr.": "cardiomegaly"}))["unknown_label"]
    assert "'Herzvergr.=maybe' (1)" in issue.message
    assert "yes or no, present or absent" in issue.message


def test_a_column_that_names_the_patient_is_no_label(folder: Path) -> None:
    with pytest.raises(DataError, match=r"patient of labels.csv is no label"):
        read(folder, patient="mass")


def test_names_in_cells_and_class_folders_are_mapped_too(tmp_path: Path) -> None:
    touch(*(tmp_path / "cells" / f"{i}.png" for i in range(3)))
    write(
        tmp_path / "cells" / "t.csv",
        "file,labels\n0.png,Herz gross|Effusion\n1.png,Bildartefakt\n2.png,o.B.\n",
    )
    assert dict(read(tmp_path / "cells").unknown_labels) == {
        "Bildartefakt": 1, "Herz gross": 1, "o.B.": 1,
    }  # fmt: skip
    mapping = {"herz  GROSS": "cardiomegaly", "Bildartefakt": "ignore", "o.B.": "no_finding"}
    films = by_name(read(tmp_path / "cells", **mapping))
    assert films["cardiomegaly"].tolist() == [1, 0, 0]
    assert films["effusion"].tolist() == [1, 0, 0]
    touch(tmp_path / "classes" / "krank" / "a.png", tmp_path / "classes" / "gesund" / "b.png")
    films = by_name(read(tmp_path / "classes", krank="pneumonia", gesund="no_finding"))
    assert films["pneumonia"].to_dict() == {"a.png": 1, "b.png": 0}


def test_a_mapping_is_changed_label_by_label() -> None:
    recorded = {"A": "mass", "B": "ignore"}
    merged = merge_mappings(recorded, {"a ": "Pleural effusion", "B": "detect", "C": "no_finding"})
    assert merged == {"a": "effusion", "C": "no_finding"}
    for label, target, reason in [
        ("x", "rib_fractur", "no known finding"),
        ("", "mass", "cannot be mapped"),
        ("x" * 201, "mass", "cannot be mapped"),
    ]:
        with pytest.raises(DataError, match=reason):
            merge_mappings({}, {label: target})


def test_labels_that_are_no_longer_there_are_found(folder: Path) -> None:
    mapping = {"Herzvergr.": "cardiomegaly", "gone": "mass"}
    vocabulary = LabelVocabulary.from_mapping(mapping)
    read_sources([folder], vocabulary=vocabulary)
    assert list_unused(mapping, vocabulary) == ["gone"]

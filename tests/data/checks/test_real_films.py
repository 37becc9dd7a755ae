"""The real collections pass without a blocking issue, with the warnings that are known of them."""

import hashlib
import time
from collections import Counter
from functools import cache
from pathlib import Path

import cv2
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression

from cxr_core.data.checks.issue import Issue
from cxr_core.data.checks.run import run_checks
from cxr_core.data.checks.shortcuts import measure_associations
from cxr_core.data.manifest import Manifest
from cxr_core.data.sources.detect import read_sources

pytestmark = pytest.mark.training

DOCUMENT = Path(__file__).parents[3] / "docs/data.md"
TABLES = ("Data_Entry_2017_v2020.csv", "BBox_List_2017.csv", "train_val_list.txt", "test_list.txt")
OF_NIH = {
    "text_mined_labels",
    "follow_up_differs",
    "label_alias",
    "unnamed_columns",
    "missing_images",
    "mixed_views",
}
KNOWN = {
    ("nih_cxr8",): OF_NIH | {"mixed_resolution", "prevalence_shift", "view_with_label"},
    ("nih_cxr8", "nih_pneumonia_256"): OF_NIH
    | {
        "mixed_resolution",
        "same_name_twice",
        "view_with_label",
        "source_with_label",
        "resolution_with_label",
    },
    ("nih_cxr8", "nih_boxes_256"): OF_NIH
    | {
        "mixed_resolution",
        "same_name_twice",
        "view_with_label",
        "source_with_label",
        "resolution_with_label",
    },
    ("heart_ctr",): {"no_labels", "patient_unknown", "no_split", "population_unstated"},
}


def with_sizes(manifest: Manifest) -> Manifest:
    """Width and height by the files' headers, as decoding would tell them."""
    table = manifest.table.copy()
    there = table.index[table["status"] == "present"]
    for axis, name in enumerate(("width", "height")):
        table.loc[there, name] = [float(_size(path)[axis]) for path in table.loc[there, "image"]]
    return manifest.with_table(table)


@cache
def _size(path: str) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def checked_issues(manifest: Manifest) -> dict[str, Issue]:
    found = {issue.code: issue for issue in run_checks(manifest)}
    assert not [issue for issue in found.values() if issue.severity == "blocking"]
    return found


@pytest.mark.parametrize("folders", KNOWN, ids="+".join)
def test_each_collection_gets_its_known_warnings(real_data: Path, folders: tuple[str, ...]) -> None:
    found = checked_issues(with_sizes(read_sources([real_data / name for name in folders])))
    assert KNOWN[folders] <= set(found)


def test_the_originals_with_the_releases_tables(real_data: Path, tmp_path: Path) -> None:
    """13 films of 13 patients say nothing of shortcuts, and are all of one size."""
    for name in TABLES:
        (tmp_path / name).symlink_to(real_data / "nih_cxr8" / name)
    found = checked_issues(with_sizes(read_sources([tmp_path, real_data / "nih_originals_1024"])))
    assert found["missing_images"].count == 112_120 - 13
    assert not {code for code in found if code.endswith("_with_label")}
    assert "mixed_resolution" not in found


def test_kermanys_copies_are_found_by_their_pixels(real_data: Path) -> None:
    """Against the files' bytes: what the redistributor left identical is identical to the byte."""
    manifest = read_sources([real_data / "kermany_pneumonia"])
    pixels = [cv2.imread(path, cv2.IMREAD_GRAYSCALE) for path in manifest.table["image"]]
    table = manifest.table.assign(
        sha256=[hashlib.sha256(grey.tobytes()).hexdigest() for grey in pixels]
    )
    found = checked_issues(manifest.with_table(table))
    assert {"same_picture", "patients_scoped", "population_unstated", "prevalence_shift"} <= set(
        found
    )

    by_bytes = Counter(
        (part, hashlib.sha256(Path(path).read_bytes()).hexdigest())
        for part, path in zip(table["split"], table["image"], strict=True)
    )
    superfluous = Counter()
    for (part, _), films in by_bytes.items():
        superfluous[part] += films - 1
    assert superfluous["train"] >= 20
    assert found["same_picture"].count == superfluous.total()
    assert len(found["same_picture"].images) == superfluous["train"]  # none of test


def test_checking_the_full_release_takes_seconds_and_agrees_with_the_document(
    real_data: Path,
) -> None:
    manifest = read_sources([real_data / "nih_cxr8"])
    manifest = manifest.with_table(manifest.table.assign(status="missing"))
    began = time.monotonic()
    found = {issue.code: issue for issue in run_checks(manifest)}
    assert time.monotonic() - began < 10  # about 0.5 s

    associations = {(each.code, each.finding): each for each in measure_associations(manifest)}
    ap = (manifest.table[["view"]] == "AP").to_numpy(float)
    document = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    for finding, ratio, interval in (
        ("edema", "11.5", "(10.0 to 13.3)"),
        ("consolidation", "3.3", "(3.0 to 3.6)"),
        ("cardiomegaly", "1.17", "(1.04 to 1.32)"),
    ):
        association = associations["view_with_label", finding]
        regression = LogisticRegression(C=float("inf"), tol=1e-8).fit(ap, manifest.table[finding])
        assert association.odds.log == pytest.approx(regression.coef_[0, 0], abs=1e-3)
        digits = len(ratio.partition(".")[2])
        low, high = association.odds.interval()
        assert f"{association.odds.value:.{digits}f}" == ratio
        assert f"({low:.{digits}f} to {high:.{digits}f})" == interval
        assert f"{ratio} times" in document
        assert interval in document
        assert association.strong is (finding != "cardiomegaly")  # certain, but within the band

    assert associations["prevalence_shift", "pneumothorax"].odds.value == pytest.approx(
        3.7, abs=0.05
    )
    assert {"view_with_label", "prevalence_shift", "age_with_label", "mixed_views"} <= set(found)
    assert "1.17 times the odds of cardiomegaly (1.04 to 1.32)" in found["mixed_views"].message

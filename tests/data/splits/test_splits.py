"""Splits: by patient, by image, with every finding's share; the same seed gives the same split."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from cxr_core.data.manifest import Manifest, build_table
from cxr_core.data.sources.detect import read_sources
from cxr_core.data.splits.grouping import allocate_groups, group_patients
from cxr_core.data.splits.ratios import parse_ratios
from cxr_core.data.splits.splits import (
    carve_validation,
    drop_identical_films,
    explain_small_validation,
    split_by_ratios,
)
from cxr_core.errors import DataError

RATIOS = (0.8, 0.08, 0.12)


def manifest_of(patients, pictures=None, splits="train", **labels) -> Manifest:
    """Films 000000.png, 000001.png, … of these patients."""
    images = [f"{i:06d}.png" for i in range(len(patients))]
    pictures = images if pictures is None else pictures
    facts = {"image": images, "patient": list(map(str, patients)), "split": splits, "source": "s"}
    return Manifest(build_table(facts | {"sha256": list(map(str, pictures))} | labels), "csv", "")


def hospital(films: int, seed: int = 0) -> Manifest:
    """Films as a hospital has them: most patients with one film, some with dozens; findings common and rare."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(films), np.minimum(rng.zipf(1.8, films), 80))[:films]
    ill = rng.random((patient.max() + 1, 3)) < (0.03, 0.2, 0.01)
    labels = (ill[patient] & (rng.random((films, 3)) < 0.8)).astype(float)
    labels[rng.random(films) < 0.1, 1] = np.nan
    named = {"cardiomegaly": labels[:, 0], "pneumonia": labels[:, 1], "hernia": labels[:, 2]}
    return manifest_of(patient, rng.integers(0, films * 20, films), **named)


def splits_by_image(manifest: Manifest) -> dict[str, str]:
    return dict(zip(manifest.table["image"], manifest.table["split"], strict=True))


def shuffled(manifest: Manifest, seed: int) -> Manifest:
    return manifest.with_table(manifest.table.sample(frac=1, random_state=seed))


def spread(manifest: Manifest, column: str) -> int:
    """In how many splits one patient, or one image, is at most; counted by pandas."""
    return manifest.table.groupby(column)["split"].nunique().max()


@pytest.mark.parametrize("text", ["80:08:12", "0.8:0.08:0.12", "20:2:3", " 80 : 8 : 12 "])
def test_ratios_are_parsed(text):
    assert parse_ratios(text) == pytest.approx(RATIOS, abs=1e-15)


def test_the_usual_ratios_are_exact():
    assert parse_ratios("80:08:12") == RATIOS


@pytest.mark.parametrize(
    "text", ["80:20", "80:10:10:10", "a:b:c", "80:-8:28", "0:50:50", "", "nan:1:1", "inf:1:1"]
)
def test_invalid_ratios_are_refused(text):
    with pytest.raises(DataError, match="such as 80:08:12"):
        parse_ratios(text)


# Few patients and pictures, so that most films are joined with others
tangled = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 60), st.booleans()), min_size=30, max_size=150
)


@given(
    films=tangled,
    seed=st.integers(0, 99),
    ratios=st.sampled_from([RATIOS, (0.5, 0.25, 0.25), (0.7, 0.0, 0.3)]),
)
@settings(max_examples=30, deadline=None)
def test_split_keeps_patients_and_images_in_one_split(films, seed, ratios):
    patients, pictures, ill = zip(*films, strict=True)
    manifest = manifest_of(patients, pictures, pneumonia=np.array(ill, float))
    divided = split_by_ratios(manifest, ratios, (), seed)
    assert spread(divided, "patient") == 1
    assert spread(divided, "sha256") == 1
    assert splits_by_image(divided) == splits_by_image(
        split_by_ratios(shuffled(manifest, seed), ratios, (), seed)
    )


@given(films=tangled, others=tangled, seed=st.integers(0, 99), first_drop=st.booleans())
@settings(max_examples=25, deadline=None)
def test_carving_and_dropping_keep_patients_and_images_in_one_split(
    films, others, seed, first_drop
):
    patients, pictures, ill = zip(*films, *others, strict=True)
    splits = ["train"] * len(films) + ["test"] * len(others)
    names = [f"{split} {patient}" for split, patient in zip(splits, patients, strict=True)]
    manifest = manifest_of(names, pictures, splits, pneumonia=np.array(ill, float))
    steps = [drop_identical_films, lambda given: carve_validation(given, (), 0.3, seed)]
    done, again = manifest, shuffled(manifest, seed)
    for step in steps if first_drop else reversed(steps):
        assume((done.table["split"] == "train").any())  # test may hold every picture
        done, again = step(done), step(again)
    assert spread(done, "patient") == 1
    assert spread(done, "sha256") == 1
    assert splits_by_image(done) == splits_by_image(again)
    pd.testing.assert_frame_equal(
        done.select_split("test").table, manifest.select_split("test").table
    )


def test_shares_are_kept_for_films_and_for_every_finding():
    manifest = hospital(20_000)
    findings = ("cardiomegaly", "pneumonia", "hernia")
    divided = split_by_ratios(manifest, RATIOS, findings, seed=3).table
    of_films = divided["split"].value_counts(normalize=True)
    for part, ratio in zip(("train", "val", "test"), RATIOS, strict=True):
        assert of_films[part] == pytest.approx(ratio, rel=0.005)
        for key in findings:
            positive = divided[key] == 1
            there = (positive & (divided["split"] == part)).sum()
            assert there == pytest.approx(ratio * positive.sum(), rel=0.02, abs=1)


def test_patients_with_many_films_spread_over_splits():
    table = split_by_ratios(hospital(20_000), RATIOS, ("cardiomegaly",), seed=0).table
    per_patient = table.groupby("split").agg(
        films=("image", "size"), patients=("patient", "nunique")
    )
    mean = per_patient["films"] / per_patient["patients"]
    assert mean.max() / mean.min() < 1.2


def test_shares_are_at_least_as_even_as_scikit_learns():
    """One fold of five against StratifiedGroupKFold, by the largest deviation of the positives' share."""
    manifest = hospital(5_000, seed=1)
    table = manifest.table
    ill = (table["cardiomegaly"] == 1).to_numpy()
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(
        table, ill, table["patient"]
    )
    theirs = max(abs(ill[test].sum() / ill.sum() - 0.2) for _, test in folds)
    ours = (
        split_by_ratios(manifest, (0.6, 0.2, 0.2), ("cardiomegaly",), seed=0)
        .table["split"]
        .to_numpy()
    )
    assert max(abs(ill[ours == part].sum() / ill.sum() - 0.2) for part in ("val", "test")) <= theirs


def test_another_seed_gives_another_split():
    manifest = hospital(500)
    splits = [split_by_ratios(manifest, RATIOS, (), seed).split_sha256() for seed in (1, 1, 2)]
    assert splits[0] == splits[1] != splits[2]
    carved = [carve_validation(manifest, (), 0.2, seed).split_sha256() for seed in (1, 1, 2)]
    assert carved[0] == carved[1] != carved[2]


def test_patients_are_grouped_through_chains_of_images():
    patient, picture = pd.Series(list("dabce")), pd.Series(["p", "p", "q", "q", "r"])
    assert group_patients(patient, picture).tolist() == [0, 0, 1, 1, 2]
    chain = group_patients(pd.Series(list("abbcd")), pd.Series(list("ppqqr")))
    assert chain.tolist() == [0, 0, 0, 0, 1]


def test_rare_finding_goes_where_it_lacks_most():
    """Ten groups of one film, two of them ill: halves get five films and one ill film each, whatever the rng."""
    counts = np.column_stack([np.arange(10) < 2, np.ones(10)])
    for seed in range(20):
        part = allocate_groups(counts, np.array([0.5, 0.5]), np.random.default_rng(seed))
        assert np.bincount(part).tolist() == [5, 5]
        assert np.bincount(part[:2], minlength=2).tolist() == [1, 1]


def kaggle_like(val: int) -> Manifest:
    splits = ["train"] * 1000 + ["val"] * val + ["test"] * 100
    return manifest_of(range(len(splits)), None, splits, pneumonia=np.arange(len(splits)) % 2)


def test_kaggles_validation_is_too_small_and_pooled():
    manifest = kaggle_like(16)
    assert "16 films" in explain_small_validation(manifest.table, ("pneumonia",))
    carved = carve_validation(manifest, ("pneumonia",), 0.1, 0)
    assert carved.count_by_split()["val"].films == pytest.approx(101.6, abs=1)
    assert (
        carved.select_split("test").split_sha256() == manifest.select_split("test").split_sha256()
    )
    assert not set(manifest.select_split("val").table["image"]) <= set(
        carved.select_split("val").table["image"]
    )


def test_large_validation_is_kept_unless_pooled():
    manifest = kaggle_like(100)
    assert explain_small_validation(manifest.table, ("pneumonia",)) is None
    assert (
        carve_validation(manifest, ("pneumonia",), 0.3, 0).split_sha256() == manifest.split_sha256()
    )
    pooled = carve_validation(manifest, ("pneumonia",), 0.3, 0, pool=True)
    assert pooled.count_by_split()["val"].films == pytest.approx(330, abs=1)


def test_validation_is_small_by_films_or_by_positives_only_beside_a_larger_train():
    def table(train: int, val: int, ill: int) -> pd.DataFrame:
        labels = (
            [1.0] * (train // 2) + [0.0] * (train - train // 2) + [1.0] * ill + [0.0] * (val - ill)
        )
        return manifest_of(
            range(train + val), None, ["train"] * train + ["val"] * val, mass=labels
        ).table

    assert explain_small_validation(table(490, 49, 20), ("mass",))
    assert explain_small_validation(table(489, 49, 20), ("mass",)) is None
    assert explain_small_validation(table(500, 50, 20), ("mass",)) is None
    assert "9 positives of mass, train 500" in explain_small_validation(
        table(1000, 100, 9), ("mass",)
    )
    assert explain_small_validation(table(1000, 100, 9), ()) is None
    assert explain_small_validation(table(1000, 100, 10), ("mass",)) is None


def test_one_of_each_image_is_kept_in_the_official_split():
    manifest = manifest_of(
        range(9),
        list("aabbccdde"),
        ["train", "train", "train", "test", "val", "train", "test", "test", "train"],
    )
    kept = drop_identical_films(manifest).table
    assert kept["image"].tolist() == [f"{i:06d}.png" for i in (0, 3, 4, 6, 7, 8)]
    assert (
        drop_identical_films(shuffled(manifest, 1)).table["image"].sort_values().tolist()
        == kept["image"].tolist()
    )


def test_films_not_decoded_are_refused():
    table = manifest_of(range(4)).table.assign(sha256=pd.Series(["a", None, "c", "d"], dtype="str"))
    manifest = Manifest(table, "csv", "")
    for step in (
        drop_identical_films,
        lambda given: split_by_ratios(given, RATIOS, (), 0),
        lambda given: carve_validation(given, (), 0.5, 0),
    ):
        with pytest.raises(
            DataError, match=r"1 of 4 films are not decoded.*prepare the dataset first"
        ):
            step(manifest)


def test_split_without_both_classes_is_refused():
    one = manifest_of(range(50), pneumonia=[1.0] + [0.0] * 49)
    with pytest.raises(DataError, match="0 films with pneumonia"):
        carve_validation(one, ("pneumonia",), 0.2, 0)
    all_ill = manifest_of(range(50), pneumonia=1.0)
    with pytest.raises(DataError, match="none of the 50 films to split is labelled absent"):
        split_by_ratios(all_ill, RATIOS, ("pneumonia",), 0)
    unknown = manifest_of(range(50), pneumonia=np.nan)
    with pytest.raises(DataError, match="labelled present for pneumonia"):
        carve_validation(unknown, ("pneumonia",), 0.2, 0)
    with pytest.raises(DataError, match="no labels for mass"):
        split_by_ratios(unknown, RATIOS, ("mass",), 0)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_validation_share_of_zero_or_one_is_refused(share):
    with pytest.raises(DataError, match="between 0 and 1"):
        carve_validation(hospital(50), (), share, 0)


@pytest.mark.parametrize("ratios", [(0.5, 0.2, 0.2), (1.2, -0.1, -0.1)])
def test_ratios_that_do_not_sum_to_one_are_refused(ratios):
    with pytest.raises(DataError, match="sum to 1"):
        split_by_ratios(hospital(50), ratios, (), 0)


def test_validation_is_carved_only_from_train():
    undivided = Manifest(
        hospital(50).table.assign(split=pd.Series(None, range(50), dtype="str")), "csv", ""
    )
    with pytest.raises(DataError, match=r"in undivided\. Split the data by ratios"):
        carve_validation(undivided, (), 0.2, 0)


@pytest.mark.release
def test_boxes_and_source_issues_survive_a_split(real_data):
    manifest = read_sources([real_data / "nih_cxr8"]).select_usable()
    manifest = manifest.with_table(manifest.table.assign(sha256=manifest.table["image"]))
    carved = carve_validation(manifest, ("cardiomegaly", "pneumonia"), 0.1, 0)
    assert len(carved.boxes) == len(manifest.boxes) > 0
    assert carved.source_issues == manifest.source_issues
    counts = carved.count_by_split()
    assert (counts["test"].films, counts["test"].positives["cardiomegaly"]) == (1306, 58)
    assert counts["val"].films == pytest.approx(0.1 * 11156, rel=0.01)
    assert counts["val"].positives["cardiomegaly"] == pytest.approx(21, abs=2)
    assert spread(carved, "patient") == spread(carved, "sha256") == 1

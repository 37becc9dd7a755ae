"""The impression says what a radiologist would sign: every kind of reading in its own words, nothing overclaimed."""

import pytest

from cxr_core.film.quality_flag import QualityFlag
from cxr_core.reading.cardiothoracic.fusion import FusionParts
from cxr_core.reading.cardiothoracic.ratio import (
    CHILD,
    RATIO,
    VIEW_AP,
    VIEW_UNKNOWN,
    Measurement,
)
from cxr_core.reading.impression import name_limitations, write_impression
from cxr_core.reading.patient import Patient
from cxr_core.reading.results import FindingReading, Reading

ADULT, CHILD_OF_FOUR = Patient(age_years=57, view="PA"), Patient(age_years=4, view="PA")
END = "No other finding was assessed."
NO_PNEUMONIA_MODEL = FindingReading(finding="pneumonia", reason="No model for this patient: …")
BETWEEN = (
    "The probability lies between the two thresholds (suspected from 6 %, not suspected below 2 %)."
)


def finding(key: str, call: str, **changes: object) -> FindingReading:
    values = {"probability": 0.5, "model": f"{key}-1", "undecided_because": None, **changes}
    return FindingReading(finding=key, call=call, **values)


def ratio(value: float | None, half_width: float = 0.02, **changes: object) -> Measurement:
    if value is None:
        return Measurement(value=None, reasons=("No heart was found on this picture.",))
    ends = {"low": value - half_width, "high": value + half_width}
    return Measurement(value=value, **{**ends, **changes})


def impression(
    *findings: FindingReading, measured: Measurement | None = None, patient: Patient = ADULT
) -> str:
    measurements = () if measured is None else (measured,)
    return write_impression(
        Reading(
            sha256="00",
            status="read",
            findings=findings,
            measurements=measurements,
            patient=patient,
        )
    )


def test_one_finding_is_suspected_and_no_model_fits_for_the_other():
    text = impression(finding("cardiomegaly", "present"), NO_PNEUMONIA_MODEL, measured=ratio(0.56))
    assert text == (
        "Cardiomegaly is suspected (CTR 0.56, above the upper limit of 0.50 for adult PA films). "
        f"Pneumonia was not assessed: no model for this patient. {END}"
    )


def test_nothing_suspected_is_not_called_normal_or_excluded():
    text = impression(
        finding("cardiomegaly", "absent"), finding("pneumonia", "absent"), measured=ratio(0.44)
    )
    assert text == (
        "Cardiomegaly is not suspected (CTR 0.44, below the upper limit of 0.50 for adult PA films). "
        f"Pneumonia is not suspected. {END}"
    )


def test_undecided_gives_its_reason():
    text = impression(
        finding("cardiomegaly", "indeterminate", undecided_because=BETWEEN), measured=ratio(0.51)
    )
    assert text == (
        "Cardiomegaly is undecided (CTR 0.51, not clearly above the upper limit of 0.50 for adult PA films). "
        f"{BETWEEN} {END}"
    )


def test_what_speaks_against_every_verdict_is_said_once():
    inverted = "Greyscale appears inverted. Invert the film and read it again."
    text = impression(
        finding("cardiomegaly", "indeterminate", undecided_because=inverted),
        finding("pneumonia", "indeterminate", undecided_because=inverted),
        measured=ratio(None),
    )
    assert text == (
        f"Cardiomegaly and pneumonia are undecided. {inverted} CTR could not be measured. {END}"
    )


def test_a_child_has_its_verdict_and_a_ratio_without_the_adult_limit():
    text = impression(
        FindingReading(finding="cardiomegaly", reason="No model for this patient: …"),
        finding("pneumonia", "present"),
        measured=ratio(0.55, reasons=(CHILD,)),
        patient=CHILD_OF_FOUR,
    )
    assert text == (
        "Pneumonia is suspected. CTR 0.55; the upper limit of 0.50 for adult PA films does not apply: child. "
        f"Cardiomegaly was not assessed: no model for this patient. {END}"
    )


def test_without_an_age_a_model_for_an_age_group_gives_no_verdict():
    text = impression(
        finding("cardiomegaly", "present", needs_age=True),
        finding("pneumonia", "absent", needs_age=True),
        measured=ratio(0.56),
        patient=Patient(view="PA"),
    )
    assert text == (
        "CTR 0.56; the upper limit of 0.50 for adult PA films may not apply: age unknown. Cardiomegaly and pneumonia "
        f"were not assessed: the age is missing. {END}"
    )


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        ((VIEW_AP,), "does not apply: AP film"),
        ((VIEW_UNKNOWN,), "may not apply: view unknown"),
        ((VIEW_AP, CHILD), "does not apply: AP film, child"),
    ],
)
def test_the_limit_of_adult_pa_films_is_not_held_against_other_films(reasons, words):
    text = impression(finding("cardiomegaly", "present"), measured=ratio(0.6, reasons=reasons))
    assert f"CTR 0.60; the upper limit of 0.50 for adult PA films {words})" in text
    assert "above" not in text


def test_a_ratio_that_must_be_doubted_or_contradicts_the_model_says_so():
    text = impression(
        finding("cardiomegaly", "absent"),
        measured=ratio(0.6, reasons=("The contour is unstable.",), disagreements=("…",)),
    )
    assert "(CTR not reliable; CTR and model disagree)." in text
    assert name_limitations(ratio(0.6, reasons=("The contour is unstable.", VIEW_AP))) == [
        "AP film",
        "uncertain outline",
    ]
    assert name_limitations(ratio(0.6)) == []


@pytest.mark.parametrize(("by_edited", "named"), [(False, True), (True, False)])
def test_an_edited_ratio_says_on_which_ratio_the_verdict_rests(by_edited: bool, named: bool):
    parts = FusionParts(classifier=0.3, measurement=RATIO, value=0.53, weight=0.7, edited=by_edited)
    text = impression(
        finding("cardiomegaly", "present", fusion_parts=parts),
        measured=ratio(0.47, low=None, high=None, edited=True),
    )
    assert "CTR 0.47, edited by hand, below the upper limit" in text
    assert ("the verdict rests on the automatic CTR of 0.53" in text) is named


@pytest.mark.parametrize("missing", ["needs_age", "is_withheld"])
def test_an_edited_ratio_is_not_held_against_a_verdict_that_is_not_shown(missing: str):
    parts = FusionParts(classifier=0.3, measurement=RATIO, value=0.53, weight=0.7, edited=False)
    text = impression(
        finding("cardiomegaly", "present", fusion_parts=parts, **{missing: True}),
        measured=ratio(0.47, low=None, high=None, edited=True),
    )
    assert "CTR 0.47, edited by hand" in text
    assert "rests on" not in text


def test_the_finding_of_an_abnormal_film_is_named_by_a_noun():
    text = impression(finding("abnormality", "indeterminate"))
    assert text.startswith("Abnormality is undecided.")


def test_a_refused_film_has_its_reason_and_no_verdict():
    refused = Reading(sha256="00", status="refused", reason="This file is empty.")
    assert write_impression(refused) == "Not read: This file is empty. No finding was assessed."


def test_a_film_unlike_the_training_films_is_interpreted_with_caution():
    reading = Reading(
        sha256="00",
        status="read",
        findings=(finding("pneumonia", "absent"),),
        concerns=(QualityFlag("unlike_training", "…"),),
    )
    assert "Interpret with caution: the film is unlike" in write_impression(reading)


@pytest.mark.parametrize("call", ["present", "absent", "indeterminate"])
@pytest.mark.parametrize("value", [None, 0.4, 0.501, 0.7])
def test_no_impression_overclaims(call: str, value: float | None):
    text = impression(finding("cardiomegaly", call), measured=ratio(value)).lower()
    for word in ("exclude", "normal", "healthy", "no cardiomegaly", "is present", "diagnos"):
        assert word not in text
    assert text.endswith(END.lower())

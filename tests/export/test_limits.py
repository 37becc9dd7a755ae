"""What an export is refused for, each limit from both sides, with its figures in the sentence."""

import re
from dataclasses import replace

import pytest

from cxr_core.models.exported.record import AurocChange
from cxr_core.scale.export.check import list_objections
from tests.export.conftest import FOUND_EQUAL


def with_auroc(before, after):
    return replace(FOUND_EQUAL, auroc={"cardiomegaly": AurocChange(torch=before, exported=after)})


@pytest.mark.parametrize(
    ("check", "precision", "sentence"),
    [
        (replace(FOUND_EQUAL, films=499), "float32", "on 499 films; at least 500"),
        (replace(FOUND_EQUAL, films=499), "int8", "on 499 films; at least 500"),
        (replace(FOUND_EQUAL, largest_difference=0.0201), "float32", "differs by 0.0201"),
        (replace(FOUND_EQUAL, largest_difference=float("nan")), "float32", "differs by nan"),
        (replace(FOUND_EQUAL, verdicts_changed=1), "float32", "on 1 of 600 films differs"),
        (replace(FOUND_EQUAL, most_changed=4), "int8", r"on 4 of 600 films \(0.7%\)"),
        (with_auroc(0.9, 0.8979), "int8", "falls from 0.9000 to 0.8979"),
        (replace(FOUND_EQUAL, ratio_difference=0.0021), "int8", "differs by 0.0021 on average"),
    ],
)
def test_an_export_beyond_a_limit_is_refused_with_the_figure(check, precision, sentence):
    (objection,) = list_objections(check, precision)
    assert re.search(sentence, objection), objection


@pytest.mark.parametrize(
    ("check", "precision"),
    [
        (FOUND_EQUAL, "float32"),
        (replace(FOUND_EQUAL, films=500, largest_difference=0.02), "float32"),
        (replace(FOUND_EQUAL, most_changed=3, verdicts_changed=9, largest_difference=0.5), "int8"),
        (with_auroc(0.9, 0.8981), "int8"),
        (with_auroc(0.9, 0.95), "int8"),
    ],
)
def test_an_export_within_all_limits_is_not(check, precision):
    assert list_objections(check, precision) == []

"""An acceptance test leaves a dated record: model, version, films by hash and figures, but no name and no patient."""

import json

import numpy as np
import pytest

from cxr_core.errors import SiteError
from cxr_core.site.acceptance import compare_with_validation
from cxr_core.site.acceptance_record import (
    build_record,
    list_acceptances,
    read_acceptances,
    write_acceptance,
)
from tests.site.simulated import CARD, FINDING, draw_site, validation_scores


def record(seed: int, made: str | None = None):
    rng = np.random.default_rng(seed)
    scores, local = validation_scores(rng), draw_site(rng, 25)
    local.log_odds[3] = 6.0  # stands out
    return build_record(compare_with_validation(local, scores, CARD), local, CARD, made=made)


def test_a_record_is_read_back_and_the_newest_comes_first(workspace):
    old, new = record(0, "2026-11-01T10:00:00+00:00"), record(1, "2026-12-01T10:00:00+00:00")
    for each in (new, old):
        assert write_acceptance(each).is_file()
    assert [each.made for each in list_acceptances(CARD.model, FINDING)] == [new.made, old.made]
    read = list_acceptances(CARD.model, FINDING)[0]
    assert read.films == new.films
    assert read.acceptance.classes[0].distance == new.acceptance.classes[0].distance
    assert list_acceptances(CARD.model, "rickets") == []


def test_records_that_are_made_within_a_second_are_all_kept(workspace):
    made = [record(seed) for seed in range(3)]
    paths = {write_acceptance(each) for each in made}
    assert len(paths) == 3
    newest_first = [each.made for each in reversed(made)]
    assert [each.made for each in list_acceptances(CARD.model, FINDING)] == newest_first


def test_a_record_holds_hashes_and_neither_names_nor_patients(workspace):
    text = write_acceptance(record(2, "2026-12-01T10:00:00+00:00")).read_text()
    assert f"{3:064x}" in text
    assert ".png" not in text
    assert json.loads(text)["patients"] == 25


def test_a_damaged_record_hides_no_other(workspace):
    path = write_acceptance(record(3, "2026-12-01T10:00:00+00:00"))
    path.with_name(f"{FINDING}-2026-12-02T100000Z.json").write_text("{")
    assert len(list_acceptances(CARD.model, FINDING)) == 1
    _, (problem,) = read_acceptances(CARD.model, FINDING)
    assert f"{FINDING}-2026-12-02T100000Z.json" in problem
    assert "move it away" in problem


def test_a_workspace_that_cannot_be_written_is_named(workspace):
    workspace.mkdir(parents=True, exist_ok=True)
    (workspace / "site").write_text("in the way")
    with pytest.raises(SiteError, match="cannot be written"):
        write_acceptance(record(4, "2026-12-01T10:00:00+00:00"))

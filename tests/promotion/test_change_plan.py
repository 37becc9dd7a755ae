"""The change plan says what the gate does: every check, every limit, one version for one set of rules."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest

from cxr_core.models.figures import MeanFigure
from cxr_core.promotion import change_plan
from cxr_core.promotion.candidate import compute_fingerprints, verdict_holds
from cxr_core.promotion.change_plan import (
    CURRENT,
    DOCUMENT,
    VERSIONS,
    hash_rules,
    name_plan,
    write_change_plan,
)
from cxr_core.promotion.change_rules import CLASSIFIER_RULES, SEGMENTER_RULES
from cxr_core.promotion.gate.gate import LIMITS, SUBGROUPS
from cxr_core.promotion.gate.segmenter import SEGMENTER_LIMITS
from cxr_core.reading.site_profile import ModelProfile, SiteCalibration
from cxr_core.site.profile_store import Evidence, ProfileChange
from tests.promotion.test_gate import ACTIVE, CARD, blur, compare, films
from tests.promotion.test_gate_segmenter import compare as compare_segmenters
from tests.promotion.test_gate_segmenter import films as segmented_films
from train.models import main

ROOT = Path(__file__).parents[2]
GATE = ROOT / "cxr_core/promotion/gate"


def test_the_document_is_what_the_rules_of_the_program_say():
    document = (ROOT / DOCUMENT).read_text(encoding="utf-8")
    assert document == write_change_plan(), (
        f"the rules have changed; without a site's profile: python -m train.models change-plan --out {DOCUMENT}"
    )


def test_changed_rules_need_a_new_version():
    assert CURRENT.rules == hash_rules(), (
        f"add a version with the rules {hash_rules()} to change_plan"
    )
    assert [one.number for one in VERSIONS] == list(range(1, len(VERSIONS) + 1))
    assert len({one.rules for one in VERSIONS}) == len(VERSIONS)


def test_another_limit_or_rule_gives_another_hash(monkeypatch):
    before = hash_rules()
    monkeypatch.setattr(change_plan, "LIMITS", replace(LIMITS, cases=10))
    assert hash_rules() != before
    monkeypatch.undo()
    monkeypatch.setattr(change_plan, "CLASSIFIER_RULES", CLASSIFIER_RULES[:-1])
    assert hash_rules() != before


def test_every_check_that_the_gate_makes_is_in_the_plan():
    planned = {name for rule in CLASSIFIER_RULES for name in rule.checks}
    made = {check.name for check in compare(films(), blur(films(), 2.0)).checks}
    assert made <= planned
    of_segmenters = {name for rule in SEGMENTER_RULES for name in rule.checks}
    assert set(compare_segmenters(segmented_films(), segmented_films())) <= of_segmenters


def test_every_check_in_the_plan_is_one_that_the_gate_can_make():
    texts = {group.name for group in SUBGROUPS}
    for path in GATE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
    planned = {name for rule in (*CLASSIFIER_RULES, *SEGMENTER_RULES) for name in rule.checks}
    assert {name for name in planned if not name.startswith("Dice of the ")} <= texts


@pytest.mark.parametrize("limits", [LIMITS, SEGMENTER_LIMITS])
def test_every_limit_is_stated(limits):
    document = write_change_plan()
    numbers = set(re.findall(r"\d+(?:\.\d+)?", document))
    for name, limit in limits.to_json().items():
        assert {f"{limit:g}", f"{100 * limit:g}"} & numbers, name


def test_rules_that_too_few_films_do_not_stop_are_those_that_the_gate_does_not_need():
    few = films(30, seed=4)
    verdict = compare(few[:12], few[:12], own=few[:12])
    for check in verdict.checks:
        rules = [rule for rule in CLASSIFIER_RULES if check.name in rule.checks]
        stops = {rule.too_few == "stops the change" for rule in rules}
        if check.status == "not enough cases":
            assert stops == {check.refuses}, check.name


def test_a_verdict_holds_by_the_rules_of_its_own_version_only():
    fingerprints = compute_fingerprints(CARD, [ACTIVE])
    verdict = replace(compare(films(), films()), fingerprints=fingerprints, change_plan=name_plan())
    assert verdict_holds(verdict, CARD, [ACTIVE])
    assert not verdict_holds(replace(verdict, change_plan="0 (000000000000)"), CARD, [ACTIVE])
    assert verdict.rules_in_words == f"Judged by version {name_plan()} of the change plan."
    assert type(verdict).from_json(verdict.to_json()) == verdict
    older = {key: value for key, value in verdict.to_json().items() if key != "change_plan"}
    assert type(verdict).from_json(older).rules_in_words == ""


def test_the_history_of_a_site_is_told_with_its_figures_and_reasons():
    profile = ModelProfile(
        model="pneumonia-children",
        version="1.2.1",
        finding="pneumonia",
        calibration=SiteCalibration(intercept=-1.5),
        installed_on="2026-12-01",
        films=48,
        patients=40,
    )
    change = ProfileChange(
        when="2026-12-01T08:00:00+00:00",
        what="installed",
        reason="too many | false alarms",
        profile=profile,
        evidence=Evidence(
            before=MeanFigure(0.132, 0.1, 0.16, 48), after=MeanFigure(0.048, 0.03, 0.07, 48)
        ),
    )
    plan = write_change_plan([change])
    assert plan.startswith(write_change_plan().rstrip("\n"))
    row = next(line for line in plan.splitlines() if line.startswith("| 2026-12-01"))
    assert "pneumonia-children 1.2.1, pneumonia" in row
    assert "installed: recalibration | 48 films of 40 patients" in row
    assert "calibration error 0.132, then 0.048" in row
    assert "too many \\| false alarms" in row


def test_the_command_writes_the_plan_where_it_is_wanted(tmp_path, workspace, capsys):
    out = tmp_path / "new" / "plan.md"
    assert main(["change-plan", "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8") == write_change_plan()
    assert capsys.readouterr().out == f"{out}\n"
    assert main(["change-plan"]) == 0
    assert capsys.readouterr().out == write_change_plan()
    assert main(["change-plan", "--out", str(tmp_path / "new")]) == 3  # a folder
    assert "which is no plain file" in capsys.readouterr().err

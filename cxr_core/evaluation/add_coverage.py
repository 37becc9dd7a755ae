"""Adds to an evaluation the error among the films decided: figures, also by subgroup, curves, and p-values of films."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cxr_core.decisions import DEFAULT_DECISION
from cxr_core.evaluation.group_coverage import list_group_levels, measure_group_coverage
from cxr_core.evaluation.metrics.coverage import (
    Rule,
    RuleCoverage,
    ValidationSample,
    add_p_values,
    measure_rules,
    rank_films,
)
from cxr_core.evaluation.metrics.curves import CoverageCurves, to_coverage_curve
from cxr_core.evaluation.metrics.results import CoverageGroups
from cxr_core.evaluation.store.folder import Evaluation
from cxr_core.reading.decision import find_thresholds

# What the recorded table of subgroups, and so the report, is made for; the Evaluate page makes it for any other.
GROUP_RULE: Rule = "distance"
GROUP_SHARE = 0.9


def add_coverage(evaluation: Evaluation, samples: Mapping[str, ValidationSample]) -> Evaluation:
    """The evaluation with coverage by each rule. samples: the model's validation films by finding, where known.

    The thresholds are those of the model's default decision, on the network's probability.
    """
    card, table = evaluation.card, add_p_values(evaluation.table, samples)
    figures, curves = dict(evaluation.figures), dict(evaluation.curves)
    for key in figures:
        thresholds = find_thresholds(card, key, DEFAULT_DECISION, fused=False)
        rows = table[(table["finding"] == key) & table["label"].notna()]
        ranked = rank_films(rows, thresholds.present_from, thresholds.absent_below)
        labels, patients = rows["label"].to_numpy(np.float64), rows["patient"].to_numpy(str)
        rules = measure_rules(ranked, labels, patients)
        recorded: dict[str, RuleCoverage] = {}
        for rule, measured in rules.items():
            recorded[rule] = measured.figures
        groups = measure_group_coverage(
            ranked[GROUP_RULE], GROUP_SHARE, labels, patients, list_group_levels(rows)
        )
        figures[key] = replace(
            figures[key],
            coverage=recorded,
            coverage_groups=CoverageGroups(rule=GROUP_RULE, share=GROUP_SHARE, groups=groups)
            if groups
            else None,
        )
        coverage = CoverageCurves(
            decision=card.effective_decision(key, DEFAULT_DECISION),
            present_from=thresholds.present_from,
            absent_below=thresholds.absent_below,
            rules={rule: to_coverage_curve(measured.error) for rule, measured in rules.items()},
        )
        curves[key] = replace(curves[key], coverage=coverage)
    return replace(evaluation, table=table, figures=figures, curves=curves)

"""Adds to an evaluation the error among the films decided: figures, also by subgroup, curves, and p-values of films."""

from collections.abc import Mapping, Sequence
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
from cxr_core.evaluation.metrics.curves import (
    CoverageCurve,
    CoverageCurves,
    FoldThresholds,
    to_coverage_curve,
)
from cxr_core.evaluation.metrics.results import CoverageGroups
from cxr_core.evaluation.store.folder import Evaluation
from cxr_core.models.card import ModelCard
from cxr_core.reading.decision import find_thresholds

# What the recorded table of subgroups, and so the report, is made for; the Evaluate page makes it for any other.
GROUP_RULE: Rule = "distance"
GROUP_SHARE = 0.9


def add_coverage(
    evaluation: Evaluation,
    samples: Mapping[str, ValidationSample],
    folds: Sequence[ModelCard] = (),
) -> Evaluation:
    """The evaluation with coverage by each rule. samples: the model's validation films by finding, where known.

    The thresholds are those of the model's default decision, on the network's probability.
    folds: of a cross-validation the card of each fold's model, by whose thresholds its films are ranked and called.
    """
    table = add_p_values(evaluation.table, samples)
    figures, curves = dict(evaluation.figures), dict(evaluation.curves)
    for key in figures:
        coverage = _prepare_curves(evaluation.card, folds, key)
        rows = table[(table["finding"] == key) & table["label"].notna()]
        ranked = rank_films(rows, *coverage.assign_thresholds(rows))
        labels, patients = rows["label"].to_numpy(np.float64), rows["patient"].to_numpy(str)
        rules = measure_rules(ranked, labels, patients)
        recorded: dict[str, RuleCoverage] = {}
        error_curves: dict[str, CoverageCurve] = {}
        for rule, measured in rules.items():
            recorded[rule] = measured.figures
            error_curves[rule] = to_coverage_curve(measured.error)
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
        curves[key] = replace(curves[key], coverage=replace(coverage, rules=error_curves))
    return replace(evaluation, table=table, figures=figures, curves=curves)


def _prepare_curves(card: ModelCard, folds: Sequence[ModelCard], key: str) -> CoverageCurves:
    """The record of a finding's curves with its thresholds; no rule is measured yet."""
    thresholds = find_thresholds(card, key, DEFAULT_DECISION, fused=False)
    of_folds = [find_thresholds(fold, key, DEFAULT_DECISION, fused=False) for fold in folds]
    return CoverageCurves(
        decision=card.effective_decision(key, DEFAULT_DECISION),
        present_from=thresholds.present_from,
        absent_below=thresholds.absent_below,
        rules={},
        folds=tuple(
            FoldThresholds(present_from=own.present_from, absent_below=own.absent_below)
            for own in of_folds
        ),
    )

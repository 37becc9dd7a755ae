"""For whom a model is good, as a table of its report."""

from collections.abc import Iterator, Mapping
from typing import Any

from cxr_core.evaluation.report.parts import cell
from cxr_core.presentation.html import cell as table_cell
from cxr_core.presentation.html import element, table

KINDS = {"sex": "Sex", "age": "Age, years", "view": "View", "source": "Source"}
FIGURES = {
    "auroc": "AUROC",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "calibration": "Predicted less observed",
}
TOO_FEW = "not enough cases"


def subgroup_table(found: Mapping[str, Any]) -> Iterator[str]:
    """found: as `subgroups.Subgroups.as_json` gives it."""
    header = (
        "Group",
        "Positive",
        *FIGURES.values(),
        "AUROC less that of the others",
        "p, corrected",
    )
    yield table(header, [_row(group) for group in found["groups"]], "wide")
    least = found["least_patients_of_each_class"]
    yield element(
        "p",
        f"Sensitivity and specificity at the threshold {found['threshold']:.3g}. A group needs {least} patients with a "
        f"positive film and {least} with a negative one. Differences are corrected for {found['compared']} groups: "
        "their intervals hold all of them at once (Bonferroni), p is Holm's.",
        "quiet",
    )
    unknown = [
        f"{count:,} films do not say the {by}" for by, count in found["unknown"].items() if count
    ]
    if unknown:
        yield element("p", f"In no group: {'; '.join(unknown)}.", "quiet")


def _row(group: Mapping[str, Any]) -> list[str]:
    head = [f"{KINDS[group['by']]}: {group['name']}", f"{group['positives']:,} of {group['n']:,}"]
    if not group["enough"]:
        return [*head, table_cell(TOO_FEW, "quiet", len(FIGURES) + 2)]
    apart = group["difference"].get("auroc")
    p = apart["p_adjusted"] if apart else None
    told = [
        cell(apart) if apart else "",
        "" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}",
    ]
    return [*head, *(cell(group[name]) for name in FIGURES), *told]

"""The evaluator as a victim: `python -m train.evaluate`, over an earlier evaluation of another model."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd

from cxr_core.evaluation.store.catalogue import list_records, load_record
from cxr_core.evaluation.store.folder import METRICS, PREDICTIONS, PREDICTIONS_PARQUET, REPORT
from cxr_core.evaluation.store.loaded import load_evaluation, read_report
from cxr_core.evaluation.store.provenance import count_test_uses
from tests.soak.victims.program import Program, Site, require
from train.evaluate import main as evaluate


def _folder(site: Site) -> Path:
    return site.workspace / "evaluations" / "victim"


def _begin(site: Site) -> None:
    """An evaluation of the one run is there; that of the other will replace it."""
    shutil.copytree(site.run / "evaluation", _folder(site))


def _work(site: Site) -> int:
    return evaluate([str(site.other_run), "--data", str(site.films), "--out", str(_folder(site))])


def _inspect(site: Site) -> None:
    _, unreadable = list_records(site.workspace)
    require(not unreadable, f"evaluations that cannot be read: {unreadable}")
    found = _read(_folder(site))
    before, after = _read(site.run / "evaluation"), _read(site.other_run / "evaluation")
    require(found in (before, after), "the evaluation is neither the former nor the new one")
    is_new = found == after
    require(is_new or not site.seen.get("new"), "the new evaluation was there and is lost")
    site.seen["new"] = is_new
    uses = count_test_uses(load_record(site.run / "evaluation").head.data.data_sha256)
    # Both runs' and the shipped one, which the gate compared with.
    require(uses.models == 3, f"the record of test uses knows {uses.models} models")


def _read(folder: Path) -> Any:
    """All that an evaluation holds, without the times."""
    record = load_record(folder)
    evaluation = load_evaluation(record)
    table = pd.read_parquet(folder / PREDICTIONS_PARQUET)
    report = read_report(record)
    content = {key: value for key, value in record.content.items() if key != "made"}
    require(report is not None and report.rstrip().endswith("</html>"), f"{REPORT} is incomplete")
    require(
        record.head.made in (folder / "curves.json").read_text(),
        f"{METRICS} and curves.json were not made at the same time",
    )
    return (
        content,
        (folder / PREDICTIONS).read_text(),
        table.to_csv(index=False),
        evaluation.findings,
    )


def _outcome(site: Site) -> Any:
    return _read(_folder(site))


EVALUATOR = Program(name="evaluator", begin=_begin, work=_work, inspect=_inspect, outcome=_outcome)

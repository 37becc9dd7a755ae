"""Writes the change plan: what may change in readings, how each change is tested, and what stops it.

The plan is generated from the constants by which the gate and the site's profile decide, so that it says nothing else.
Its parts are those of a guidance of the FDA on predetermined change control plans; it is no submission to anybody.
"""

import hashlib
import os
import stat
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cxr_core.data.splits.holdout import MIN_CASES
from cxr_core.errors import ModelError
from cxr_core.presentation.wording import format_count
from cxr_core.promotion.change_rules import (
    CLASSIFIER_RULES,
    MODIFICATIONS,
    SEGMENTER_RULES,
    SITE_RULES,
    Rule,
)
from cxr_core.promotion.gate.gate import LIMITS
from cxr_core.site.profile_store import ProfileChange
from cxr_core.workspace.atomic import atomic_write
from cxr_core.workspace.paths import printable

DOCUMENT = "docs/change-plan.md"
WIDTH = 120
SOURCE = (
    "U.S. Food and Drug Administration, *Marketing Submission Recommendations for a Predetermined Change Control Plan "
    "for Artificial Intelligence-Enabled Device Software Functions*, final guidance of December 4, 2024, revised "
    "August 18, 2025; see <https://www.fda.gov/regulatory-information/search-fda-guidance-documents>"
)


@dataclass(frozen=True, kw_only=True)
class PlanVersion:
    """One version of the plan. rules: the first twelve digits of `hash_rules` then.  what: how it differs."""

    number: int
    date: str
    rules: str
    what: str


# A changed rule or limit needs a new line here; a test says so, and with which hash.
VERSIONS: Sequence[PlanVersion] = (
    PlanVersion(
        number=1,
        date="2026-11-29",
        rules="81b43cd0d44c",
        what="first version; the gate compares models at equal coverage too",
    ),
    PlanVersion(
        number=2,
        date="2026-11-30",
        rules="ccc7bce59044",
        what="clearer wording; no rule and no limit has changed",
    ),
    PlanVersion(
        number=3,
        date="2026-11-30",
        rules="aeab21eb37e0",
        what="resolution and file format: beyond the limit, no more films may move than with a model to be replaced",
    ),
)
CURRENT = VERSIONS[-1]


def name_plan() -> str:
    """The version in force, as the gate's verdict cites it: `1 (0123456789ab)`."""
    return f"{CURRENT.number} ({CURRENT.rules})"


def hash_rules() -> str:
    """The first twelve digits of the hash of all that the plan says about changes, tests and limits."""
    rules = "\n".join(_write_rules())
    return hashlib.sha256(rules.encode()).hexdigest()[:12]


def write_change_plan(history: Sequence[ProfileChange] = ()) -> str:
    """The plan as Markdown. history: of the site's profile, the newest first; a workspace without one has none."""
    blocks = [
        "# Change plan",
        f"**Version {CURRENT.number} of {CURRENT.date}**, rules {CURRENT.rules}. Generated from the rules of the "
        "program by `python -m train.models change-plan`; a test fails where this document and the rules differ. The "
        "gate's verdict names the version by which it judged.",
        "Silhouette is no medical device, and nobody has authorised this plan. It says beforehand what may change in "
        "readings, how each change is tested and what stops it, in the three parts that the FDA recommends for a "
        f"predetermined change control plan: {SOURCE}.",
        *_write_rules(),
        "## 4 Versions of this plan",
        _write_table(
            ("version", "date", "rules", "what changed"),
            [(str(one.number), one.date, one.rules, one.what) for one in reversed(VERSIONS)],
        ),
    ]
    if history:
        blocks += ["## 5 What changed at this site", *_write_history(history)]
    return "\n\n".join(map(_wrap, blocks)) + "\n"


def save_change_plan(out: Path, plan: str) -> Path:
    """Write a plan to a file. Raises ModelError when that cannot be done."""
    if os.path.lexists(out) and not stat.S_ISREG(os.lstat(out).st_mode):
        raise ModelError(
            f"the change plan is not written to {printable(out)}, which is no plain file; give --out another place"
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        return atomic_write(out, plan)
    except OSError as error:
        raise ModelError(
            f"the change plan cannot be written to {printable(out)}: {error.strerror}; give --out another one"
        ) from error


def _write_rules() -> Iterator[str]:
    """The three parts, a block each."""
    yield "## 1 Description of modifications"
    yield (
        "Nothing changes by itself: no model learns from the films that it reads, and what is counted of readings "
        "changes no reading. A person makes each of these changes, with a reason that is kept."
    )
    yield _write_table(
        ("", "change", "what changes", "what stays", "how"),
        [(one.code, one.name, one.changes, one.stays, one.how) for one in MODIFICATIONS],
    )
    yield (
        "Not in this plan: a model that reads fewer patients or answers fewer findings than the one it replaces, a "
        "film that is no frontal chest film, and a change of the program itself. The gate stays closed for the first, "
        "and another model's findings or patients are given up only by whoever retires that model."
    )
    yield "## 2 Modification protocol"
    yield "### Data management"
    yield (
        "Films are divided by patient. A holdout of patients, chosen by a keyed hash of their numbers, is never "
        f"trained on; it needs {MIN_CASES} films with and {MIN_CASES} without each finding. Where there is none, the "
        "data's own test split is used, and every use of it is counted. Films that either model was trained on, and "
        "films outside the population of either, are left out and counted. Films of a site that the model learnt from "
        "are known by their hash and left out."
    )
    yield "### Re-training"
    yield (
        "A run keeps its whole recipe, the hashes of its films and split, and its seed. Epoch, calibration and "
        "thresholds are chosen on validation patients; the test split is used for none of them."
    )
    yield "### Performance evaluation"
    yield (
        'Intervals are of 95 %, by patient. Both models read the same films. "Not enough cases" is never a pass: '
        f"fewer than {LIMITS.cases} films with or without the finding, or an interval so wide that an equally good "
        "model would not pass either."
    )
    yield "A classifier (M1):"
    yield _write_checks(CLASSIFIER_RULES)
    yield "A segmenter (M2):"
    yield _write_checks(SEGMENTER_RULES)
    yield "A site's profile (M4, M5):"
    yield _write_checks(SITE_RULES)
    yield "### Update procedures"
    yield (
        "A version is installed beside the others, then named as the active one in one step; a kill leaves the former "
        "in use. The verdict, with every figure, stays in the model's card. With a written reason a model is installed "
        "against a closed gate; the reason is kept with it. Every change can be undone by one click or command. Each "
        "reading names the model's version, and the site's profile where it changed a number."
    )
    yield "## 3 Impact assessment"
    yield _write_table(
        ("", "benefit", "risk", "limited by"),
        [(one.code, one.benefit, one.risk, one.limited_by) for one in MODIFICATIONS],
    )
    yield (
        "**Interactions.** A profile holds for one version of a model: after M1 or M3 it is reported and no longer "
        "applied, and the acceptance test is repeated. After M2 the network alone decides until its ratio is fitted "
        "anew."
    )
    yield (
        "**Cumulative effect.** Each new version is compared with the one in use, not with the first. Every step may "
        f"lose up to {LIMITS.margin:g} of AUROC without being refused, so several steps can lose more; the verdicts of "
        "all versions stay on record, and any two versions can be compared by `python -m train.compare`. After a "
        "change the site's weekly statistics show whether readings moved."
    )


def _write_checks(rules: Sequence[Rule]) -> str:
    rows = [(rule.name, rule.passes, rule.too_few) for rule in rules]
    return _write_table(("check", "passes when", "not enough cases"), rows)


def _write_history(history: Sequence[ProfileChange]) -> Iterator[str]:
    yield "The changes of the site's profile, the newest first."
    rows = []
    for change in history:
        profile = change.profile
        what = [
            name
            for name, part in (
                ("recalibration", profile.calibration),
                ("thresholds", profile.decisions),
                ("prevalence", profile.prevalence),
            )
            if part
        ]
        figures = ""
        if change.evidence and change.evidence.before.value is not None:
            after = change.evidence.after.value or 0.0
            figures = f"calibration error {change.evidence.before.value:.3f}, then {after:.3f}"
        rows.append(
            (
                change.when[:10],
                f"{profile.model} {profile.version}, {profile.finding}",
                f"{change.what}: {', '.join(what)}",
                f"{format_count(profile.films, 'films')} of {format_count(profile.patients, 'patients')}",
                figures,
                change.reason,
            )
        )
    yield _write_table(("date", "model", "change", "fitted on", "figures", "reason"), rows)


def _write_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    cells = [[" ".join(cell.replace("|", "\\|").split()) for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _wrap(block: str) -> str:
    """A paragraph in lines of at most WIDTH; tables and headings as they are."""
    if block.startswith(("|", "#")):
        return block
    return textwrap.fill(block, WIDTH, break_long_words=False, break_on_hyphens=False)

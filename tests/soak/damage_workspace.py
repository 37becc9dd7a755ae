"""Damages every kind of file of a workspace, and opens every page and runs every command that reads it.

`python -m tests.soak.damage_workspace [--count N] [--seed S] [--minutes M]`. A violation is an exception that reaches a
page, a page that loses its other parts, a command that ends with an exception or fails without one sentence, and files
of which nothing is left and nobody says a word. Each violating case is written to a file.
"""

import argparse
import contextlib
import importlib
import io
import itertools
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import streamlit as st
from streamlit import error_util
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest, app_test

from cxr_core.data import prepare
from cxr_core.evaluation.charts.film_filter import FilmFilter
from cxr_core.feedback.projects import find_project
from cxr_core.feedback.readers import find_reader
from cxr_core.film.phantom.phantom import PhantomSpec, draw_phantom
from cxr_core.jobs import launch
from pages.components import cache
from pages.components.datasets.page_state import EXPLORE, DataPageState
from pages.components.evaluation.page_state import EvaluatePageState
from pages.components.read.page_state import ReadPageState
from pages.components.review.page_state import ReviewPageState
from pages.components.site.page_state import SitePageState
from pages.components.training.page_state import START, TrainPageState
from tests.pages.app_bench import APP, StartedPagesManager
from tests.site.simulated import FINDING
from tests.soak.file_damages import damaged, list_damages
from tests.soak.site_files import BUILD
from tests.soak.tally import Tally
from tests.soak.whole_workspace import build_workspace, sort_by_kind

REPORT_EVERY_S = 30.0
NOTICE = "Not a medical device"  # the last thing on every page
# What every view of a page shows whatever is damaged.
LANDMARKS = {
    "data": {"Datasets", "Add a dataset"},
    "train": {"Training", "Runs", "Start a run"},
    "evaluate": {"Evaluation", "Make another evaluation"},
    "models": {"Models", "Import a model from a zip file"},
    "read": set(),
    "review": {"Review"},
    "site": {"Your site", "Finding and model"},
    "node": {"Receiving node"},
}
# Kinds of which some page or command says so when nothing of a file is left; without others a page shows less.
NEVER_SILENT = (
    "dataset record",
    "dataset manifest",
    "dataset issues",
    "cache grids",
    "cache index",
    "metrics",
    "predictions",
    "curves",
    "recalibration",
    "run recipe",
    "run manifest",
    "run gate",
    "model history",
    "model card",
    "model weights",
    "model gate",
    "API keys",
    "audit log",
    "verdicts",
    "label layer",
    "exported network",
    "record of an exported network",
    "scoring record",
    "scored films",
    "site profile",
    "archive settings",
    "node's queue",
    "search",
    "validation scores",
)
# Commands that end with another status than 0 where they say something bad of what they looked at.
ENDS_WITH_A_VERDICT = ("audit verify", "accept", "accept watch")
NOTHING_LEFT = ("garbage", "a folder", "an endless link")


@dataclass(frozen=True, kw_only=True)
class View:
    """A page in one state. parameters: of its address.  states: what its session holds, by the keys there."""

    page: str
    parameters: dict[str, str] = field(default_factory=dict)
    states: Callable[[], dict[str, Any]] = dict


@dataclass
class Outcome:
    """What one damaged file led to. said: what pages and commands said that they do not say otherwise."""

    said: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


class WorkspaceSoak:
    """One whole workspace, its views and commands, and what they say while nothing is damaged.

    Each is asked for that when it is first needed, always before anything is damaged.
    """

    def __init__(self, site: Path, out: Path, seed: int = 17):
        """site: where films and workspace are written; CXR_WORKSPACE must name its `workspace`.  out: for cases."""
        self.workspace, self.out, self.seed = build_workspace(site), out, seed
        self.kinds = sort_by_kind(self.workspace)
        self._pristine = site / "pristine"
        shutil.copytree(self.workspace, self._pristine)
        film = min(map(str, (site / "films/test").glob("*/*.png")))
        drawn = site / "drawn.png"
        pixels = np.rint(draw_phantom(PhantomSpec()).pixels * 255).astype(np.uint8)
        cv2.imwrite(str(drawn), pixels)
        self.views = list_views(self.workspace, film)
        self.commands = list_commands(self.workspace, drawn, site / "out")
        self._usual_of_views: dict[str, set[str]] = {}
        self._usual_of_commands: dict[str, set[str]] = {}
        self.tally = Tally()

    def open_undamaged(self, names: Iterable[str]) -> None:
        """Keep what these views say while nothing is damaged, unless that is known."""
        for name in names:
            if name not in self._usual_of_views:
                self._usual_of_views[name] = set(self._open(self.views[name]).said)

    def list_cases(self) -> list[tuple[str, Path, str]]:
        """Every kind, file and damage."""
        return [
            (kind, path, damage)
            for kind, paths in self.kinds.items()
            for path in paths
            for damage in list_damages(path)
        ]

    def try_case(
        self,
        kind: str,
        path: Path,
        damage: str,
        views: Sequence[str] | None = None,
        commands: Sequence[str] | None = None,
    ) -> Outcome:
        """Damage a file and look at views and run commands: those named, or all that concern its folder."""
        area = area_of(self.workspace, path)
        outcome = Outcome()
        seed = f"{self.seed} {path.relative_to(self.workspace)} {damage}"
        opened = VIEWS_OF[area] if views is None else views
        self.open_undamaged(opened)
        with damaged(path, damage, seed):
            for name in opened:
                shown = self._open(self.views[name])
                usual = self._usual_of_views[name]
                outcome.said += [text for text in shown.said if text not in usual]
                outcome.violations += [f"{name}: {each}" for each in shown.violations]
        for name in COMMANDS_OF[area] if commands is None else commands:
            if name not in self._usual_of_commands:
                self._usual_of_commands[name] = set(self._run(name).said)
                self._restore()
            with damaged(path, damage, seed):
                ended = self._run(name)
            self._restore()
            usual = self._usual_of_commands[name]
            outcome.said += [text for text in ended.said if text not in usual]
            outcome.violations += [f"{name}: {each}" for each in ended.violations]
        is_grave = kind in NEVER_SILENT and damage in NOTHING_LEFT
        if is_grave and not outcome.said and views is commands is None:
            outcome.violations.append("nobody says a word")
        self._count(kind, path, damage, outcome)
        return outcome

    def _count(self, kind: str, path: Path, damage: str, outcome: Outcome) -> None:
        names = (path.name, path.parent.name, str(path.parent))
        is_named = any(name in text.replace("\\", "") for text in outcome.said for name in names)
        word = "named" if is_named else "said" if outcome.said else "silent"
        self.tally.outcomes[kind, "violation" if outcome.violations else word] += 1
        if outcome.violations:
            self._report(kind, path, damage, outcome)

    def _restore(self) -> None:
        """The workspace as it was before a command wrote to it."""
        shutil.rmtree(self.workspace)
        shutil.copytree(self._pristine, self.workspace)
        shutil.rmtree(self.workspace.with_name("out"), ignore_errors=True)

    def _open(self, view: View) -> Outcome:
        """What a page shows in a new browser tab."""
        outcome, faults = Outcome(), list[Exception]()
        st.cache_resource.clear()
        app = AppTest.from_file(str(APP), default_timeout=300)
        for key, value in view.states().items():
            app.session_state[key] = value
        for name, value in view.parameters.items():
            app.query_params[name] = value
        with replaced(error_util, "_log_uncaught_app_exception", faults.append):
            app.switch_page(f"pages/{view.page}.py").run()
        outcome.violations += ["".join(traceback.format_exception(fault)) for fault in faults]
        if app.exception and not faults:
            outcome.violations.append(str(app.exception[0].value))
        elements = (app.title, app.tabs, app.expander, app.selectbox)
        labels = {getattr(each, "label", None) or each.value for kind in elements for each in kind}
        missing = LANDMARKS[view.page] - labels
        if missing or not any(NOTICE in caption.value for caption in app.caption):
            outcome.violations.append(f"lost: {', '.join(missing) or NOTICE}")
        outcome.said = [str(each.value) for kind in (app.error, app.warning) for each in kind]
        for expander in app.expander:
            if "cannot be shown" in expander.label:
                outcome.said += [text.value for text in expander.markdown]
        return outcome

    def _run(self, name: str) -> Outcome:
        """What a command prints to its standard error when it ends with anything but 0."""
        module, arguments = self.commands[name]
        errors, printed = io.StringIO(), io.StringIO()
        try:
            with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(printed):
                status = importlib.import_module(module).main(list(arguments))
        except SystemExit as end:
            status = end.code
        except Exception:  # noqa: BLE001 - whatever it is, it is what this program looks for
            return Outcome(violations=[traceback.format_exc()])
        said = list_printed_sentences(printed.getvalue())
        if status == 0:
            return Outcome(said=said)
        sentence = (errors.getvalue().strip().splitlines() or [""])[-1]
        if name in ENDS_WITH_A_VERDICT:
            return Outcome(said=[*said, sentence])
        if status not in (2, 3) or ":" not in sentence or "Traceback" in errors.getvalue():
            return Outcome(violations=[f"ended with {status}: {errors.getvalue()}"])
        return Outcome(said=[sentence])

    def _report(self, kind: str, path: Path, damage: str, outcome: Outcome) -> None:
        number = len(self.tally.violations)
        report = self.out / f"case-{number}.txt"
        title = f"{kind}, {damage}: {path.relative_to(self.workspace)}"
        report.write_text("\n\n".join([title, *outcome.violations]), encoding="utf-8")
        self.tally.violations.append(
            f"{report}: {title}: {outcome.violations[0].strip().splitlines()[-1]}"
        )


def area_of(workspace: Path, path: Path) -> str:
    """What a file belongs to: a key of VIEWS_OF and COMMANDS_OF."""
    parts = path.relative_to(workspace).parts
    return "evaluations" if "evaluation" in parts else parts[0]


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: object) -> Iterator[None]:
    """Another attribute while the block runs."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextlib.contextmanager
def quiet_app() -> Iterator[None]:
    """The app on the test bench: no scheduler is started, no hub asked, nothing decoded apart."""
    with contextlib.ExitStack() as changes:
        for owner, name, value in (
            (launch, "CAN_LAUNCH", False),
            (manifest_scanner, "scan_component_manifests", list),
            (PagesManager, "uses_pages_directory", False),
            (app_test, "PagesManager", StartedPagesManager),
            (cache, "check_initial_weights", lambda key, recipe: ("", "")),
            (prepare, "prepare_apart", prepare.prepare_here),
        ):
            changes.enter_context(replaced(owner, name, value))
        yield


def list_printed_sentences(text: str) -> list[str]:
    """What a command prints beside its results: the concerns of readings, and lines of prose."""
    sentences = []
    for line in text.splitlines():
        if line.startswith("{"):
            sentences += [concern["message"] for concern in json.loads(line).get("concerns", ())]
        elif line.endswith("."):
            sentences.append(line)
    return sentences


def list_views(workspace: Path, film: str) -> dict[str, View]:
    """Every page with every tab and dialog, by a name. film: in the dialogs."""
    evaluations = workspace / "evaluations"
    of_run, other = workspace / "runs/finished/evaluation", evaluations / "tiny-1.0.0-test-films"

    def show_tab(tab: str, folder: Path = of_run) -> View:
        return View(
            page="evaluate",
            parameters={"evaluation": str(folder)},
            states=lambda: {
                "evaluate_page": EvaluatePageState(
                    has_read_address=True,
                    tab=tab,
                    film_filter=FilmFilter(outcome=None),
                    open_image=film,
                    opening_film=True,
                    compared_folders=(str(other),),
                )
            },
        )

    tabs = {f"evaluate {tab}": show_tab(tab) for tab in TABS}
    return {
        "data": View(page="data"),
        "data explore": View(
            page="data",
            states=lambda: {
                "data_page": DataPageState(
                    tab=EXPLORE, open_image=film, opening_film=True, has_read_address=True
                )
            },
        ),
        "train": View(page="train"),
        "train finished": View(page="train", parameters={"run": "finished"}),
        "train stopped": View(page="train", parameters={"run": "stopped"}),
        "train compare": View(page="train", parameters={"runs": "finished,stopped"}),
        "train start": View(
            page="train", states=lambda: {"train_page": TrainPageState(requested_view=START)}
        ),
        **tabs,
        "evaluate other": show_tab("Films", other),
        "evaluate recalibrated": show_tab("Calibration", evaluations / "recalibrated"),
        "models": View(page="models", parameters={"model": "tiny"}),
        **list_site_views(),
    }


def list_site_views() -> dict[str, View]:
    """The pages of readings, reviews, the site and its node."""
    ada = find_reader("Ada")
    projects = {"Round 1": find_project("Round 1").id, "Clinic": find_project("Clinic").id}

    def read(project: str = "") -> dict[str, Any]:
        state = ReadPageState()
        state.feedback.reader, state.feedback.project_id = ada, project
        return {"read_page": state}

    def review(project: str, tab: str) -> View:
        return View(
            page="review",
            states=lambda: {
                "review_page": ReviewPageState(project_id=projects[project], tab=tab),
                **read(),
            },
        )

    return {
        "read": View(page="read", states=lambda: read(projects["Clinic"])),
        **{f"review {tab}": review("Round 1", tab) for tab in REVIEW_TABS},
        "review kept films": review("Clinic", "Read"),
        **{
            f"site {tab}": View(
                page="site",
                parameters={"model": "tiny", "finding": FINDING},
                states=lambda tab=tab: {"site_page": SitePageState(tab=tab)},
            )
            for tab in SITE_TABS
        },
        "node": View(page="node"),
        "train search": View(page="train", states=lambda: {"search-tiny": True}),
    }


REVIEW_TABS = ("Read", "Queue", "Disputes", "Labels", "Project")
SITE_TABS = ("Acceptance", "Watching", "History", "Archive")

TABS = (
    "Curves",
    "Threshold",
    "Calibration",
    "Prevalence and benefit",
    "Subgroups",
    "Localisation",
    "Films",
    "Compare",
    "Training",
)
OF_DATA = ("data", "data explore", "train start", "evaluate Films")
OF_EVALUATIONS = (*(f"evaluate {tab}" for tab in TABS), "evaluate other", "evaluate recalibrated")
OF_REVIEWS = (*(f"review {tab}" for tab in REVIEW_TABS), "review kept films", "read")
OF_SITE = tuple(f"site {tab}" for tab in SITE_TABS)
OF_RUNS = ("train", "train finished", "train stopped", "train compare", "train start")
# The views and commands that read the files in a folder of the workspace.
VIEWS_OF = {
    "datasets": OF_DATA,
    "cache": OF_DATA,
    "evaluations": (*OF_EVALUATIONS, "train finished", "train compare"),
    "runs": (*OF_RUNS, "evaluate Curves", "evaluate Compare"),
    "models": ("models", "train start", "train finished", "evaluate Curves", "read", *OF_SITE),
    "official_test_uses.jsonl": ("train finished", "models", "evaluate Curves"),
    "comparisons": ("evaluate Compare",),
    "subsets": OF_DATA,
    "findings.json": ("data", "train start", "train finished", "models", "evaluate Curves"),
    ".findings.lock": ("data",),
    "logs": ("train",),
    "access": ("read",),
    "audit": ("read", "review Queue"),
    "code": ("train start",),
    "tracking.toml": ("train start",),
    "feedback": OF_REVIEWS,
    "label_layers": ("review Labels", "data", "train start"),
    "exports": ("models", "read"),
    "scorings": ("read",),
    "site": (*OF_SITE, "read"),
    "pacs.toml": ("node", "site Archive", "read"),
    "node": ("node",),
    "searches": ("train search", "train"),
    "validation_uses.jsonl": ("train finished", "models"),
}
COMMANDS_OF = {
    "datasets": ("prepare", "evaluate", "fit"),
    "cache": ("prepare", "evaluate", "fit"),
    "evaluations": ("compare", "compare recalibrated", "publish"),
    "runs": ("compare", "resume", "resume finished", "evaluate run", "publish", "average"),
    "models": ("read", "evaluate", "publish", "accept", "models list"),
    "official_test_uses.jsonl": ("evaluate", "publish"),
    "comparisons": ("compare",),
    "subsets": ("fit",),
    "findings.json": ("read", "fit", "evaluate"),
    ".findings.lock": ("fit",),
    "logs": ("prepare",),
    "access": ("keys list", "keys add"),
    "audit": ("audit", "audit verify", "audit film", "keys add", "read", "accept revoke"),
    "code": ("fit own code",),
    "tracking.toml": ("fit",),
    "feedback": (
        "review",
        "review queue",
        "review next",
        "review kappa",
        "review layer",
        "review export",
    ),
    "label_layers": ("fit readers' labels", "review layer"),
    "exports": ("read onnx", "prepare export"),
    "scorings": ("score",),
    "site": ("read", "accept", "accept watch", "accept revoke", "score"),
    "pacs.toml": ("node list",),
    "node": ("node list", "node retry"),
    "searches": ("search",),
    "validation_uses.jsonl": ("fit", "publish"),
}


def list_commands(workspace: Path, drawn: Path, out: Path) -> dict[str, tuple[str, list[str]]]:
    """Commands that read the workspace: module and arguments, by a name. drawn: a film.  out: for what they write."""
    finished, evaluations = workspace / "runs/finished", workspace / "evaluations"
    data = ["--data", "films"]
    other = evaluations / "tiny-1.0.0-test-films"
    commands = {
        "read": ("cxr_core.__main__", ["read", "--json", "--age", "3", drawn]),
        "prepare": ("train.prepare", data),
        "evaluate": ("train.evaluate", ["tiny", *data, "--out", out]),
        "evaluate run": ("train.evaluate", [finished, *data, "--out", out]),
        "compare": ("train.compare", [finished, other, "--out", out]),
        "compare recalibrated": (
            "train.compare",
            [evaluations / "recalibrated", other, "--out", out],
        ),
        "fit": (
            "train.fit",
            [finished / "recipe.toml", *data, "--run", out, "--set", "epochs=1", "--device", "cpu"],
        ),
        "resume": ("train.fit", ["--resume", workspace / "runs/stopped", "--device", "cpu"]),
        "resume finished": ("train.fit", ["--resume", finished, "--device", "cpu"]),
        "publish": ("train.publish", [finished, "--note", "better"]),
        "average": ("train.average", [finished, finished, *data, "--run", out]),
        **_list_site_commands(workspace, drawn, out),
    }
    return {name: (module, [*map(str, words)]) for name, (module, words) in commands.items()}


def _list_site_commands(
    workspace: Path, drawn: Path, out: Path
) -> dict[str, tuple[str, list[str | Path]]]:
    tiny = [
        workspace / "runs/finished/recipe.toml",
        "--set",
        "epochs=1",
        "--device",
        "cpu",
        "--run",
        out,
    ]
    films = ["--data", "films"]
    review, program = "train.review.__main__", "cxr_core.__main__"
    scoring = workspace / "scorings/archive"
    return {
        "read onnx": (program, ["read", "--json", "--age", "3", "--backend", "auto", drawn]),
        "keys list": (program, ["keys", "list"]),
        "keys add": (program, ["keys", "add", "another"]),
        "audit": (program, ["audit"]),
        "audit verify": (program, ["audit", "--verify"]),
        "audit film": (program, ["audit", "--film", drawn]),
        "models list": (program, ["models", "list"]),
        "node list": (program, ["node", "--list"]),
        "node retry": (program, ["node", "--retry", "1"]),
        "score": (program, ["score", "--data", workspace.parent / "films/test", "--out", scoring, "--resume"]),
        "review": (review, ["list"]),
        "review queue": (review, ["list", "Round 1"]),
        "review next": (review, ["next", "Round 1", "--reader", "Ada"]),
        "review kappa": (review, ["kappa", "Round 1"]),
        "review layer": (review, ["layer", "Round 1", "round-2"]),
        "review export": (review, ["export", "Clinic", out]),
        "accept": ("train.accept", ["tiny", *films]),
        "accept watch": ("train.accept", ["tiny", "--watch"]),
        "accept revoke": ("train.accept", ["tiny", "--revoke", "--reason", "scanner replaced"]),
        "search": ("train.search", ["--resume", "tiny", "--trials", "3", "--device", "cpu"]),
        "prepare export": ("train.prepare", ["--data", workspace / "exports/Clinic-1"]),
        "fit readers' labels": ("train.fit", [*tiny, *films, "--data", "labels:round-1"]),
        "fit own code": ("train.fit", [*tiny, *films, "--set", f"backbone={BUILD}", "--set", "init=scratch"]),
    }  # fmt: skip


def main() -> int:
    """Try every case once, in an order of chance; 1 when something was violated."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak.damage_workspace", description=__doc__
    )
    parser.add_argument("--count", type=int, default=10**9, help="cases at most (default: all)")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--minutes", type=float, default=10**6, help="stop after so long")
    parser.add_argument("--kind", default="", help="only kinds whose name has this in it")
    given = parser.parse_args()
    out = Path(tempfile.mkdtemp(prefix="damaged-"))
    os.environ["CXR_WORKSPACE"] = str(out / "site/workspace")
    start = reported = time.monotonic()
    with quiet_app():
        soak = WorkspaceSoak(out / "site", out, given.seed)
        soak.open_undamaged(soak.views)
        cases = [case for case in soak.list_cases() if given.kind in case[0]]
        Random(given.seed).shuffle(cases)
        for case in itertools.islice(cases, given.count):
            if time.monotonic() - start > 60 * given.minutes:
                break
            soak.try_case(*case)
            if time.monotonic() - reported > REPORT_EVERY_S:
                reported = time.monotonic()
                soak.tally.print(reported - start)
    soak.tally.print(time.monotonic() - start)
    for violation in soak.tally.violations:
        print(violation)
    return 1 if soak.tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())

"""Opens a search's study and gives out its trials, each to one process at a time, also after processes were killed.

Optuna chooses settings by a tree of Parzen estimators and prunes by Hyperband, epoch by epoch. A trial belongs to the
process that holds the lock in its folder. One whose process has ended is taken up again, with its settings and its last
checkpoint, so none is lost and none counts twice.
Sources: Bergstra et al. 2011, NeurIPS 24 (TPE); Li et al. 2018, JMLR 18:185 (Hyperband); Akiba et al. 2019,
arXiv:1907.10902 (Optuna).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cxr_core.errors import ScaleError
from cxr_core.scale.cluster import require_package
from cxr_core.scale.search.search_folder import SearchFolder
from cxr_core.scale.search.space import Choice
from cxr_core.workspace.paths import printable
from cxr_core.workspace.process_lock import hold_lock

PURPOSE = "a search for settings"
STORAGE_VARIABLE = "CXR_SEARCH_STORAGE"  # a database's URL, which may hold a password
REASON = "reason"  # of a trial that ended without a figure
SETTINGS = "settings"
LOCK = ".trial.lock"
REDUCTION = 3  # of Hyperband: one trial in three goes on
STARTUP_TRIALS = 10  # chosen at random, before TPE has anything to learn from
ASK_WAIT_S = 60.0
ABANDONED_AFTER = timedelta(
    minutes=2
)  # for a trial that a killed process asked for and never began


@dataclass(frozen=True, eq=False)
class GivenTrial:
    """A trial that this process may work on. settings: by field.  trial: Optuna's, to report to.

    reported: the epochs whose figure it has.
    """

    number: int
    settings: dict[str, Choice]
    trial: Any
    reported: set[int] = field(default_factory=set)


class OptunaStudy:
    """The study of a search."""

    def __init__(self, search: SearchFolder, storage: str = ""):
        """storage: a database's URL; empty for the search's own journal, or CXR_SEARCH_STORAGE where it needs one.

        Raises ScaleError without Optuna, and for a database that cannot be reached.
        """
        self._optuna = require_package("optuna", PURPOSE)
        self._optuna.logging.set_verbosity(self._optuna.logging.ERROR)
        self.search = search
        url = storage or os.environ.get(STORAGE_VARIABLE, "")
        if search.record.database and not url:
            raise ScaleError(
                f"the study of {search.name} lies in a database; give its --storage, or set {STORAGE_VARIABLE}"
            )
        self._study = self._open(url if search.record.database else "")

    def _open(self, url: str) -> Any:
        sqlalchemy = require_package("sqlalchemy.exc", PURPOSE)
        optuna_errors = (self._optuna.exceptions.OptunaError, sqlalchemy.SQLAlchemyError)
        damage = (LookupError, TypeError, AssertionError)  # Optuna checks no line of a journal
        try:
            return self._load_or_create(url or self._read_journal())
        except (*optuna_errors, *damage, ImportError, OSError, ValueError) as error:
            first = (str(error) or type(error).__name__).splitlines()[0]
            reason = f"{type(error).__name__}: {first:.200}"
            if not url:
                raise ScaleError(
                    f"{printable(self.search.journal)} cannot be read ({reason}); put a copy back, or begin a search "
                    "with another --name"
                ) from error
            raise ScaleError(
                f"the study cannot be opened ({reason}). Give a URL such as postgresql://HOST/NAME whose driver is "
                "installed, or leave --storage out"
            ) from error

    def _read_journal(self) -> Any:
        storages = self._optuna.storages
        return storages.JournalStorage(
            storages.journal.JournalFileBackend(str(self.search.journal))
        )

    def _load_or_create(self, storage: Any) -> Any:
        return self._optuna.create_study(
            storage=storage,
            study_name=self.search.name,
            direction="maximize",
            load_if_exists=True,
            pruner=self._optuna.pruners.HyperbandPruner(
                min_resource=1,
                max_resource=self.search.recipe.epochs,
                reduction_factor=REDUCTION,
            ),
        )

    @property
    def trials(self) -> list[Any]:
        """Optuna's record of every trial, in their order."""
        trials: list[Any] = self._study.get_trials(deepcopy=False)
        return trials

    @property
    def states(self) -> Any:
        """Optuna's names of the states of a trial."""
        return self._optuna.trial.TrialState

    def measure_importance(self) -> dict[str, float]:
        """How much of the differences between trials each setting explains; empty before enough have ended.

        Source: Hutter et al. 2014, ICML (fANOVA).
        """
        complete = [trial for trial in self.trials if trial.state == self.states.COMPLETE]
        if len(complete) < 2 * len(self.search.space.ranges) + 2:
            return {}
        if len({trial.value for trial in complete}) < 2:
            return {}
        evaluator = self._optuna.importance.FanovaImportanceEvaluator(seed=0)
        found = self._optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {name: float(share) for name, share in found.items()}

    @contextmanager
    def take_trial(self, wanted: int) -> Iterator[GivenTrial | None]:
        """A trial for this process while the block runs: one that was left behind, else a new one.

        wanted: how many trials the search has in all. None when there is no more to do here.
        """
        with self._hold_ask_lock():
            given = self._take_left_behind() or self._ask(wanted)
            held = ExitStack()
            if given is not None and not held.enter_context(hold_lock(self._lock(given.number))):
                given = None
        with held:
            yield given

    def finish(self, given: GivenTrial, value: float | None, reason: str = "") -> None:
        """Tell what a trial has reached. value: None for one that was pruned, or ended without a figure.

        reason: why there is no figure, where it was not pruned by comparison.
        """
        if reason:
            given.trial.set_user_attr(REASON, reason)
        state = self.states.PRUNED if value is None else self.states.COMPLETE
        self._study.tell(given.number, value, state=state, skip_if_finished=True)

    def _take_left_behind(self) -> GivenTrial | None:
        """A trial that runs by the study's account and that no process holds."""
        for trial in self.trials:
            if trial.state != self.states.RUNNING:
                continue
            if SETTINGS not in trial.user_attrs:
                self._give_up_unbegun(trial)
            elif self._is_free(trial.number):
                return GivenTrial(
                    number=trial.number,
                    settings=trial.user_attrs[SETTINGS],
                    trial=self._optuna.trial.Trial(self._study, trial._trial_id),
                    reported=set(trial.intermediate_values),
                )
        return None

    def _is_free(self, number: int) -> bool:
        """Whether the trial was begun in this folder and no process holds it now."""
        if not self.search.trial_folder(number).is_dir():
            return False  # another machine, with a folder of its own, works on it
        with hold_lock(self._lock(number)) as is_free:
            return is_free

    def _give_up_unbegun(self, trial: Any) -> None:
        """End a trial whose process was killed before it had its settings; it counts for nothing."""
        started = trial.datetime_start
        if started is not None and datetime.now(started.tzinfo) - started > ABANDONED_AFTER:
            self._study.tell(trial.number, state=self.states.FAIL, skip_if_finished=True)

    def _ask(self, wanted: int) -> GivenTrial | None:
        trials = self.trials
        counted = sum(SETTINGS in trial.user_attrs for trial in trials)
        if counted >= wanted:
            return None
        # Another seed for each trial: a process that begins again must not repeat its first choices.
        self._study.sampler = self._optuna.samplers.TPESampler(
            seed=len(trials), n_startup_trials=STARTUP_TRIALS
        )
        trial = self._study.ask()
        settings = self.search.space.suggest(trial)
        try:
            self.search.trial_folder(trial.number).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            folder = printable(self.search.path)
            raise ScaleError(f"{folder} cannot be written: {error.strerror}") from error
        trial.set_user_attr(SETTINGS, settings)
        return GivenTrial(number=trial.number, settings=settings, trial=trial)

    @contextmanager
    def _hold_ask_lock(self) -> Iterator[None]:
        with hold_lock(self.search.ask_lock, ASK_WAIT_S) as is_free:
            if not is_free:
                raise ScaleError(
                    f"another process of the search {self.search.name} has been choosing a trial for "
                    f"{ASK_WAIT_S:.0f} s; see whether it hangs, then try again"
                )
            yield

    def _lock(self, number: int) -> Path:
        return self.search.trial_folder(number) / LOCK

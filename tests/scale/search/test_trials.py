"""The trials of a search: each is trained once, however often its processes end, and by as many as there are."""

import threading
from dataclasses import replace

import pytest

from cxr_core.errors import Cancelled, ModelError, ScaleError, TrainingDiverged
from cxr_core.evaluation.store.provenance import count_validation_uses
from cxr_core.scale.search import trials
from cxr_core.scale.search.results import SearchResults, best_recipe, read_results
from cxr_core.scale.search.search import load_results
from cxr_core.scale.search.search_folder import RECORD, RESULTS, SearchFolder
from cxr_core.scale.search.study import OptunaStudy
from cxr_core.scale.search.trials import work_on_trials
from tests.scale.search.bench import EPOCHS, RECIPE, FakeTraining, new_search, options
from train.search import main as search_command

pytest.importorskip("optuna", reason="needs the extra `cluster`")


class Killed(BaseException):
    """Stands for a process that ends without a word."""


def ignore(done: int, total: int) -> None:
    pass


@pytest.fixture
def train(monkeypatch):
    """Put a fake training in the place of the real one."""

    def install(fake: FakeTraining) -> FakeTraining:
        monkeypatch.setattr(trials, "fit_or_resume", fake)
        return fake

    return install


def results_of(search: SearchFolder) -> SearchResults:
    results = read_results(search)
    assert results is not None
    return results


def test_a_search_finds_better_settings_prunes_poor_ones_and_counts_all(workspace, train):
    fake, search = train(FakeTraining()), new_search(workspace)
    told = []
    work_on_trials(OptunaStudy(search), 40, options(), lambda *counts: told.append(counts))
    results = results_of(search)
    assert [trial.number for trial in results.trials] == list(range(40))
    assert told[0] == (0, 40)
    assert told[-1] == (40, 40)
    assert results.count("pruned") > 5
    assert len(fake.epochs) < 40 * EPOCHS
    best = results.best
    assert best is not None
    assert abs(float(best.settings["dropout"]) - 0.3) < 0.05
    assert max(results.importance, key=results.importance.__getitem__) == "dropout"
    assert best_recipe(search, results).dropout == best.settings["dropout"]
    assert best_recipe(search, results).split == "given"
    assert count_validation_uses("a") == count_validation_uses("b") == 40
    assert count_validation_uses("c") == 0


def test_the_same_call_again_does_nothing_and_more_trials_go_on(workspace, train):
    fake, search = train(FakeTraining()), new_search(workspace)
    work_on_trials(OptunaStudy(search), 3, options(), ignore)
    epochs = len(fake.epochs)
    work_on_trials(OptunaStudy(search), 3, options(), ignore)
    assert len(fake.epochs) == epochs
    work_on_trials(OptunaStudy(search), 5, options(), ignore)
    assert len(results_of(search).trials) == 5


def test_killed_five_times_no_trial_is_lost_repeated_or_counted_twice(workspace, train):
    search, kills = new_search(workspace), [4, 17, 18, 40, 61]

    def interrupt(epochs: int) -> None:
        if kills and epochs >= kills[0]:
            kills.pop(0)
            raise Killed

    fake, deaths = train(FakeTraining(interrupt)), 0
    while deaths < 6:
        try:
            work_on_trials(OptunaStudy(SearchFolder.load(search.path)), 20, options(), ignore)
            break
        except Killed:
            deaths += 1
    assert (deaths, kills) == (5, [])
    results = results_of(search)
    assert [trial.number for trial in results.trials] == list(range(20))
    assert results.count("running") == 0
    assert len(set(fake.epochs)) == len(fake.epochs)  # no epoch of a trial was trained twice
    assert count_validation_uses("a") == 20
    settings = [tuple(trial.settings.values()) for trial in results.trials]
    assert len(set(settings)) == 20


def test_a_killed_search_ends_like_one_that_was_not(workspace, train, tmp_path):
    deaths = iter([6, 25])
    limit = [next(deaths)]

    def interrupt(epochs: int) -> None:
        if limit and epochs >= limit[0]:
            limit[:] = [value for value in [next(deaths, None)] if value]
            raise Killed

    outcomes = []
    for home, fake in ((workspace, FakeTraining(interrupt)), (tmp_path / "b", FakeTraining())):
        train(fake)
        search = new_search(home)
        for _ in range(3):
            try:
                work_on_trials(OptunaStudy(search), 12, options(), ignore)
            except Killed:
                continue
        outcomes.append(results_of(search).trials)
    assert outcomes[0] == outcomes[1]


def test_two_processes_share_the_trials_of_one_study(workspace, train):
    fake, search = train(FakeTraining()), new_search(workspace)
    workers = [
        threading.Thread(target=work_on_trials, args=(OptunaStudy(search), 16, options(), ignore))
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    results = results_of(search)
    assert len(results.trials) == len(OptunaStudy(search).trials) == 16
    assert len(set(fake.epochs)) == len(fake.epochs)


def test_a_stopped_search_keeps_its_trial_open(workspace, train):
    fake, search = train(FakeTraining()), new_search(workspace)
    with pytest.raises(Cancelled):
        work_on_trials(OptunaStudy(search), 4, options(lambda: len(fake.epochs) >= 5), ignore)
    assert results_of(search).trials == ()  # written before the trial began
    work_on_trials(OptunaStudy(search), 4, options(), ignore)
    assert len(results_of(search).trials) == 4
    assert len(set(fake.epochs)) == len(fake.epochs)


def test_each_trial_is_trained_with_every_seed_and_has_their_mean(workspace, train):
    train(FakeTraining())
    search = new_search(workspace, seeds=[0, 1])
    work_on_trials(OptunaStudy(search), 3, options(), ignore)
    complete = [trial for trial in results_of(search).trials if trial.state == "complete"]
    assert complete
    for trial in complete:
        runs = sorted(search.trial_folder(trial.number).glob("seed-*"))
        assert [run.name for run in runs] == ["seed-0", "seed-1"]
        assert trial.epochs == EPOCHS  # of the first seed alone


def test_settings_that_do_not_train_are_pruned_with_the_reason(workspace, monkeypatch):
    def diverge(*_: object) -> None:
        raise TrainingDiverged("the loss became nan at step 3")

    monkeypatch.setattr(trials, "fit_or_resume", diverge)
    search = new_search(workspace)
    work_on_trials(OptunaStudy(search), 2, options(), ignore)
    (first, _) = results_of(search).trials
    assert (first.state, first.reason) == ("pruned", "the loss became nan at step 3")


def test_settings_that_no_network_starts_from_end_their_trial_and_the_search_goes_on(
    workspace, monkeypatch
):
    train = FakeTraining()

    def start(recipe, *rest):
        if recipe.balance == "oversample":
            raise ModelError("this file was saved from another backbone")
        train(recipe, *rest)

    monkeypatch.setattr(trials, "fit_or_resume", start)
    search = new_search(workspace, replace(RECIPE, backbone="plain_cnn", init="scratch"))
    work_on_trials(OptunaStudy(search), 8, options(), ignore)
    results = results_of(search)
    ended = [trial for trial in results.trials if trial.settings["balance"] == "oversample"]
    assert 0 < len(ended) < len(results.trials) == 8
    reason = "this file was saved from another backbone"
    assert {(trial.state, trial.reason) for trial in ended} == {("pruned", reason)}
    assert results.best is not None


def test_a_recipe_that_no_network_starts_from_ends_no_trial(workspace, monkeypatch):
    def start(*_: object) -> None:
        raise ModelError("the weights of this trial are missing")

    monkeypatch.setattr(trials, "fit_or_resume", start)
    recipe = replace(RECIPE, backbone="plain_cnn", init="missing.safetensors")
    search = new_search(workspace, recipe)
    with pytest.raises(ModelError, match=r"init='missing.safetensors' is no file"):
        work_on_trials(OptunaStudy(search), 2, options(), ignore)
    (trial,) = OptunaStudy(search).trials
    assert trial.state.name == "RUNNING"


def test_a_storage_that_cannot_be_reached_is_told(workspace):
    search = new_search(workspace, database=True)
    with pytest.raises(ScaleError, match="lies in a database; give its --storage"):
        OptunaStudy(search)
    for url in ("sqlite:////nowhere/at/all/study.db", "nonsense://host/name", "not a url"):
        with pytest.raises(ScaleError, match="the study cannot be opened"):
            OptunaStudy(search, url)


def test_a_database_holds_a_study_as_well(workspace, train):
    train(FakeTraining())
    search, url = new_search(workspace, database=True), f"sqlite:///{workspace}/study.db"
    work_on_trials(OptunaStudy(search, url), 3, options(), ignore)
    assert len(OptunaStudy(search, url).trials) == 3
    assert not search.journal.exists()


def test_damaged_results_are_told_and_written_anew_by_the_next_resumption(workspace, train):
    train(FakeTraining())
    search = new_search(workspace)
    work_on_trials(OptunaStudy(search), 3, options(), ignore)
    path = search.path / RESULTS
    path.write_text("{")
    with pytest.raises(ScaleError, match=r"results.json cannot be read.*--resume tiny"):
        load_results(search.name)
    assert search_command(["--resume", search.name, "--trials", "3"]) == 0
    assert len(load_results(search.name)[1].trials) == 3


def test_a_folder_in_the_place_of_a_searchs_record_is_told(workspace):
    search = new_search(workspace)
    (search.path / RECORD).unlink()
    (search.path / RECORD).mkdir()
    with pytest.raises(ScaleError, match=r"tiny holds no search that can be read.*put a copy"):
        load_results(search.name)


@pytest.mark.parametrize(
    "content", [b"\xd3\xff", b"{}\n", b'{"op_code": 99}\n', b"[5]\n", b'{"op_code": "x"\n']
)
def test_a_damaged_journal_is_told_with_the_file_and_what_to_do(workspace, content, capsys):
    search = new_search(workspace)
    search.journal.write_bytes(content)
    assert search_command(["--resume", search.name, "--trials", "3"]) == 3
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert "journal.log cannot be read" in error
    assert "put a copy back" in error

"""What the Site page fits to dropped films, installs, revokes and watches, on Streamlit's test bench."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.models.card import ModelCard
from cxr_core.site.profile_store import list_installed, read_history
from cxr_core.site.watching import FindingCounts, Watcher, Week, is_watching, read_weeks
from cxr_core.workspace.jsonl import utc_now
from tests.pages.app_bench import (
    button_labels,
    find_button,
    find_labelled,
    open_page,
    table_rows,
    visible_text,
)
from tests.pages.fake_reader import FakeReader
from tests.pages.fake_site import (
    FREE,
    SHOWING,
    draw_films,
    draw_log_odds,
    drop_and_test,
    install,
    install_model,
    open_tab,
    recalibrate,
)

SHIFT = 2.0  # log-odds
WEEK = "2099-W01"  # later than any acceptance test
SHARE = "Share of your patients with pneumonia, in %"


@pytest.fixture
def card(workspace: Path) -> ModelCard:
    return install_model(workspace)


@pytest.fixture
def reader(card: ModelCard) -> FakeReader:
    """Reads films with the model of the page."""
    return FakeReader(cards=(card,))


def drop_shifted_films(app: AppTest, count: int = 24) -> AppTest:
    """The page after a test in which both classes score higher by SHIFT than on validation."""
    healthy = draw_films(draw_log_odds(count, FREE + SHIFT))
    ill = draw_films(draw_log_odds(count, SHOWING + SHIFT), "ill", 200)
    return drop_and_test(app, healthy, ill)


def shown(app: AppTest) -> str:
    return visible_text(app).replace("\\", "")


def test_recalibration_is_installed_with_a_reason_and_revoked_in_one_click(app: AppTest) -> None:
    drop_shifted_films(app)
    recalibrate(app)
    error = table_rows(app, "Recalibrated")[0]
    assert float(error["Recalibrated"].split()[0]) < float(error["The model's own"].split()[0])
    assert find_button(app, "Install").disabled, "without a reason"
    install(app, "healthy children score higher here")
    assert "Installed: films read from now on are read with it." in shown(app)
    assert "Shifted: recalibrate" not in shown(app)
    assert "This test is of the model without the profile that is installed" in app.info[0].value
    assert "24 patients free of pneumonia score 2.0 log-odds higher" in app.info[0].value
    assert f"**Installed on {utc_now()[:10]}:** recalibrated probabilities; from 48 films" in shown(
        app
    )
    (change,) = list_installed()
    assert change.reason == "healthy children score higher here"
    assert change.profile.calibration is not None
    assert -3 < change.profile.calibration.intercept < -1
    assert (change.profile.films, change.profile.patients) == (48, 48)
    assert change.profile.prevalence is None, "the field was left as it was"
    assert change.evidence is not None
    assert change.evidence.record.startswith("pneumonia-")
    find_button(app, "Revoke").click().run()
    assert "Revoked: readings are the model's own again." in shown(app)
    assert "No profile is installed" in shown(app)
    assert "Shifted: recalibrate" in shown(app)
    assert list_installed() == ()
    open_tab(app, "History")
    assert [row["Change"] for row in table_rows(app, "Change")] == ["revoked", "installed"]
    assert table_rows(app, "Change")[0]["Reason"] == "one click on the Site page"
    assert table_rows(app, "Outcome")[0]["Outcome"].startswith("Shifted")
    assert [change.what for change in read_history()] == ["revoked", "installed"]


def test_fifty_patients_of_a_class_get_thresholds_and_the_site_its_prevalence(app: AppTest) -> None:
    drop_shifted_films(app, count=60)
    find_labelled(app.number_input, SHARE).set_value(4.0).run()
    recalibrate(app)
    rows = table_rows(app, "Suspected from")
    assert [row["Decision"] for row in rows] == ["Standard (10 % error)", "Strict (5 % error)"]
    kept = rows[0]["Free of pneumonia, no false alarm"]
    assert 90 <= float(kept.split()[0]) < 95
    assert [field.label for field in app.number_input] == [SHARE], "it is asked once"
    assert "a prevalence of 4.0 %; from 120 films" in shown(app)
    install(app, "a test")
    (change,) = list_installed()
    assert {decision.name for decision in change.profile.decisions} == {"standard", "strict"}
    assert change.profile.prevalence == pytest.approx(0.04)
    assert "chosen here, a prevalence of 4.0 %" in shown(app)


def test_share_of_patients_is_needed_where_films_were_picked(app: AppTest) -> None:
    drop_shifted_films(app)
    find_labelled(app.number_input, SHARE).set_value(None).run()
    assert find_button(app, "Recalibrate").disabled
    find_labelled(app.radio, "How were these films picked?").set_value("As they came").run()
    recalibrate(app)
    assert "The model's own thresholds stay, not verified at this site" in shown(app)


def test_what_is_not_better_is_refused(app: AppTest) -> None:
    ill = draw_films(draw_log_odds(24, SHOWING), "ill", 200)
    drop_and_test(app, draw_films(draw_log_odds(24, FREE)), ill)
    recalibrate(app)
    assert "must not be installed" in app.warning[0].value
    assert "There is nothing to install" in shown(app)
    assert "Install" not in button_labels(app)


def test_healthy_films_alone_suffice_for_a_recalibration(app: AppTest) -> None:
    drop_and_test(app, draw_films(draw_log_odds(24, FREE + SHIFT)))
    assert not [radio for radio in app.radio if radio.label == "How were these films picked?"]
    recalibrate(app)
    assert "validation films stood in" in app.success[0].value
    find_labelled(app.number_input, "Prevalence of pneumonia at your site, in %").set_value(3.0)
    install(app, "a test")
    profile = list_installed()[0].profile
    assert (profile.films, profile.prevalence) == (24, pytest.approx(0.03))


def test_profile_of_another_version_is_not_applied_and_says_so(
    app: AppTest, workspace: Path
) -> None:
    drop_shifted_films(app)
    recalibrate(app)
    install(app, "a test")
    install_model(workspace, "1.1.0")
    app.run()
    assert "made for version 1.0.0 and is not applied to 1.1.0" in app.warning[0].value
    find_button(app, "Revoke").click().run()
    assert list_installed() == ()


def test_damaged_profile_is_named_and_put_aside(app: AppTest, workspace: Path) -> None:
    (workspace / "site").mkdir(parents=True)
    (workspace / "site" / "profile.json").write_text("{")
    open_page(app, "site", model="tiny", finding="pneumonia")
    assert "is damaged" in app.error[0].value
    find_button(app, "Put the damaged profile aside").click().run()
    assert "It was put aside" in shown(app)
    assert not app.error
    assert "No profile is installed" in shown(app)


def test_watching_begins_with_the_acceptance_test_and_can_be_switched_off(app: AppTest) -> None:
    open_page(app, "site", model="tiny", finding="pneumonia")
    open_tab(app, "Watching")
    assert "first make that test with tiny 1.0.0" in shown(app)
    open_tab(app, "Acceptance")
    drop_and_test(app, draw_films(draw_log_odds(24, FREE)))
    open_tab(app, "Watching")
    assert "0 films read since then, too few to mean anything" in app.info[0].value
    counts = FindingCounts(
        model="tiny",
        version="1.0.0",
        finding="pneumonia",
        log_odds={"-8": 30, "0": 10},
        verdicts={"absent": 30, "indeterminate": 10},
    )
    Watcher().add_counts(Week(week=WEEK, read=40, refused=10, findings=(counts,)))
    app.run()
    (row,) = table_rows(app, "Undecided")
    assert list(row.values()) == [WEEK, "25 %", "20 %", "40", "50"]
    assert "40 films read since then" in app.info[0].value
    app.toggle[0].set_value(False).run()
    assert not is_watching()
    Watcher().add_counts(Week(week=WEEK, read=40, refused=10, findings=(counts,)))
    (week,) = read_weeks()[0]
    assert week.read == 40, "nothing was added"
    app.toggle[0].set_value(True).run()
    assert is_watching()


def test_watching_says_that_drift_means_nothing_while_a_shift_is_not_corrected(
    app: AppTest,
) -> None:
    drop_shifted_films(app)
    open_tab(app, "Watching")
    assert "drift means nothing before a recalibration is installed" in app.warning[0].value
    assert not app.info
    open_tab(app, "Acceptance")
    recalibrate(app)
    install(app, "a test")
    open_tab(app, "Watching")
    assert not app.warning
    assert "0 films read since then" in app.info[0].value


def test_watching_that_is_forbidden_stays_off_and_a_damaged_week_is_left_out(
    app: AppTest, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXR_SITE_WATCHING", "off")
    drop_and_test(app, draw_films(draw_log_odds(24, FREE)))
    (workspace / "site" / "watching").mkdir(parents=True)
    (workspace / "site" / "watching" / f"{WEEK}.json").write_text(json.dumps({"week": 7}))
    open_tab(app, "Watching")
    assert app.toggle[0].disabled
    assert not app.toggle[0].value
    assert "is off on this machine" in shown(app)
    assert f"statistics of the week {WEEK} cannot be read" in app.warning[0].value.replace("\\", "")

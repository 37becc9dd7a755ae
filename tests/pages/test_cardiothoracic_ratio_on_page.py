"""The heart's width on the Read page, through Streamlit's own test bench."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.film.phantom.phantom import as_png, draw
from pages.components import cache
from pages.components.read import cardiothoracic_ratio
from pages.components.session import MovedEnds, Study
from tests.hearts import SLENDER, WIDE, file_of, outlined, sha256_of
from tests.pages.fake_reader import FakeReader

APP = Path(__file__).parents[2] / "app.py"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    anatomies = {sha256_of(SLENDER): outlined(SLENDER), sha256_of(WIDE): outlined(WIDE)}
    fake = FakeReader(anatomies=anatomies)
    monkeypatch.setattr(cache, "reader", lambda: fake)
    monkeypatch.setattr(cache, "start_warm_up", lambda: None)
    return AppTest.from_file(str(APP), default_timeout=30).run()


def upload(app: AppTest, **files: bytes) -> AppTest:
    app.file_uploader[0].set_value([(f"{name}.png", data, "") for name, data in files.items()])
    return app.run()


def words(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.text, app.error, app.warning, app.info)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def field(app: AppTest, label: str):
    return next(f for f in app.number_input if f.label == label)


def press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def labels(app: AppTest) -> list[str]:
    return [element.label for element in (*app.button, *app.number_input, *app.expander)]


def test_ratio_stands_with_its_interval_its_limit_and_its_doubts(app: AppTest) -> None:
    upload(app, heart=file_of(SLENDER))
    assert not app.exception
    said = words(app)
    ratio = outlined(SLENDER).ratio or 0
    assert f"**{ratio:.2f}**" in said
    assert f"95 % interval {ratio - 0.02:.2f} to {ratio + 0.02:.2f}" in said
    assert "limit 0.5" in said
    assert "heart 1" in said
    assert " px" in said
    assert "The view is unknown" in said
    assert "Doubtful" in said
    app.sidebar.button_group[0].set_value("PA").run()
    assert "Doubtful" not in words(app)
    assert "The view is unknown" not in words(app)


def test_an_end_typed_in_changes_the_ratio_and_keeps_the_automatic_one(app: AppTest) -> None:
    upload(app, heart=file_of(SLENDER))
    before = {f.label: f.value for f in app.number_input}
    moved = field(app, "Heart, right, x").value + 28
    field(app, "Heart, right, x").set_value(moved).run()
    assert not app.exception
    thorax = before["Thorax, right, x"] - before["Thorax, left, x"]
    assert f"**{(moved - before['Heart, left, x']) / thorax:.2f}**" in words(app)
    assert "Edited by hand" in words(app)
    assert f"Automatic: {outlined(SLENDER).ratio:.2f}" in words(app)
    assert field(app, "Heart, right, x").value == moved
    app.sidebar.number_input[0].set_value(63).run()
    app.sidebar.radio[0].set_value("specificity_95").run()
    assert "Edited by hand" in words(app)
    press(app, "Back to the automatic measurement")
    assert {
        f.label: f.value
        for f in app.number_input
        if f.label in before and f.label != "Age in years"
    } == {label: value for label, value in before.items() if label != "Age in years"}
    assert "Edited by hand" not in words(app)


def test_an_emptied_field_changes_nothing(app: AppTest) -> None:
    upload(app, heart=file_of(SLENDER))
    before = field(app, "Thorax, left, y").value
    field(app, "Thorax, left, y").set_value(None).run()
    assert not app.exception
    assert field(app, "Thorax, left, y").value == before
    assert "Edited by hand" not in words(app)


@pytest.mark.parametrize(
    ("value", "said"), [(900.0, "outside the film of 400 × 420 px"), (1.0, "are crossed")]
)
def test_points_that_make_no_diameter_are_said_at_the_measurement(
    app: AppTest, value: float, said: str
) -> None:
    upload(app, heart=file_of(SLENDER))
    field(app, "Heart, right, x").set_value(value).run()
    assert not app.exception
    (warning,) = [w.value for w in app.warning if "Cannot be measured" in w.value]
    assert said in warning
    assert f"Automatic: {outlined(SLENDER).ratio:.2f}" in words(app)
    assert len(app.table) == 1, "the findings stand as before"


def test_an_edit_belongs_to_one_film_and_waits_for_its_reader(app: AppTest) -> None:
    upload(app, one=file_of(SLENDER), two=file_of(WIDE))
    study: Study = app.session_state["study"]
    one, two = study.entries
    study.choose(one)
    app.run()
    field(app, "Heart, right, x").set_value(field(app, "Heart, right, x").value + 28).run()
    ratios = {row["File"]: row["Heart ratio"] for row in app.dataframe[0].value.to_dict("records")}
    assert ratios == {"one.png": "0.53, by hand", "two.png": f"{outlined(WIDE).ratio:.2f}"}
    study.choose(two)
    app.run()
    assert "Edited by hand" not in words(app)
    app.switch_page("pages/data.py").run()
    app.switch_page("pages/read.py").run()
    study.choose(one)
    app.run()
    assert not app.exception
    assert "Edited by hand" in words(app)
    assert study.entries[one].examination.anatomy is not None
    assert study.entries[one].examination.anatomy.maps.size == 0, "a study keeps no maps"
    press(app, "Remove")
    assert study.ends == {}


def test_a_film_that_was_not_measured_is_measured_by_hand(app: AppTest) -> None:
    cache.reader().anatomies[sha256_of(SLENDER)] = outlined(SLENDER, found=False)
    upload(app, heart=file_of(SLENDER))
    assert "Cannot be measured:** No heart was found on this picture." in words(app)
    press(app, "Measure by hand")
    assert "Edited by hand" not in words(app), "ends that nobody has placed make no ratio"
    assert field(app, "Thorax, left, x").value == 80
    field(app, "Thorax, left, x").set_value(60).run()
    assert "**0.38**" in words(app)
    assert "Edited by hand" in words(app)


def test_ratio_and_classifier_that_disagree_are_flagged_until_a_hand_settles_it(
    app: AppTest,
) -> None:
    def flags() -> list[str]:
        return [w.value for w in app.warning if "Ratio and classifier disagree" in w.value]

    upload(app, heart=file_of(SLENDER))
    assert "Present" in app.table[0].value.to_dict("records")[0]["Call"]
    assert len(flags()) == 1
    field(app, "Heart, right, x").set_value(field(app, "Heart, right, x").value + 40).run()
    assert flags() == []


def test_without_an_outlining_model_nothing_is_there(app: AppTest) -> None:
    upload(app, other=as_png(draw(SLENDER.__class__(height=420, width=400, seed=9))))
    assert not app.exception
    assert "ratio" not in words(app).lower()
    assert not {"Exact points", "Measure by hand", "Heart, left, x"} & set(labels(app))


def test_ends_from_the_viewer_reach_the_film_they_were_moved_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    study = Study()
    examination = FakeReader().examine(file_of(SLENDER))
    study.add(cardiothoracic_ratio.Entry(key="a", name="a.png", data=b"", examination=examination))
    line = ((1.0, 2.0), (3.0, 4.0))
    for film, kept in (("b:00", {}), (f"a:{examination.sha256}", {"a": (line, line)})):
        moved = MovedEnds(film=film, serial=1, heart=line, thorax=line)
        monkeypatch.setattr(cardiothoracic_ratio, "moved_ends", lambda key, moved=moved: moved)
        cardiothoracic_ratio.take_moved(study, "viewer")
        assert study.ends == kept

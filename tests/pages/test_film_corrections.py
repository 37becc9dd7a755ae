"""A film that is inverted, turned or mirrored is put right on the Read page and read again."""

from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.film.adjustments import UNCHANGED, Adjustments
from cxr_core.film.orientation import Pose
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.reading.results import Examination
from pages.components.read import film_view
from pages.components.session import RequestedAdjustment
from tests.pages.app_bench import button_labels, find_button, finding_text, upload, visible_text
from tests.pages.fake_reader import FakeReader
from tests.pages.test_read_page import film


class WaryReader(FakeReader):
    """Flags a film by its grey until it has been put right."""

    wrong = ("inverted", lambda adjustments: adjustments.inverted)

    def examine(self, data: bytes, adjustments: Adjustments = UNCHANGED) -> Examination:
        code, is_right = self.wrong
        examination = super().examine(data, adjustments)
        if is_right(adjustments):
            return examination
        flag = QualityFlag(code, "Something is wrong. Put it right.", withholds_call=True)
        return replace(examination, concerns=(flag,))


@pytest.fixture
def reader() -> FakeReader:
    return WaryReader()


def read_adult(app: AppTest) -> AppTest:
    upload(app, heart=film(0.5))
    find_button(app, "Adult").click().run()
    assert not app.exception
    return app


@pytest.mark.parametrize(
    ("code", "is_right", "button", "named"),
    [
        ("inverted", lambda a: a.inverted, "Invert greyscale and read again", "Greyscale inverted"),
        ("turned", lambda a: a.quarter_turns == 3, "Turn upright and read again", "270° clockwise"),
        ("mirrored", lambda a: a.mirrored, "Mirror and read again", "Mirrored left to right"),
    ],
)
def test_flag_offers_the_correction_which_is_then_named_and_undone(
    app: AppTest,
    reader: WaryReader,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    is_right,
    button: str,
    named: str,
) -> None:
    reader.wrong = (code, is_right)
    # As a film that lies on its side; the drawn film of these tests lies nowhere.
    lying = Pose(inverted=False, quarter_turns=1, heart_side=0.1)
    monkeypatch.setattr(film_view, "measure_pose", lambda pixels: lying)
    read_adult(app)
    withheld = finding_text(app, "cardiomegaly", "heart-adults")
    assert "Undecided" in withheld
    assert "Something is wrong. Put it right." in withheld
    assert "%" not in withheld, "a number would be taken for a verdict"
    find_button(app, button).click().run()
    assert not app.exception
    assert button not in button_labels(app)
    assert named in visible_text(app)
    assert "Undecided" not in finding_text(app, "cardiomegaly", "heart-adults")
    find_button(app, "Undo and read again").click().run()
    assert "Undecided" in finding_text(app, "cardiomegaly", "heart-adults")
    assert named not in visible_text(app)


def test_sound_film_is_offered_no_correction(app: AppTest, reader: WaryReader) -> None:
    reader.wrong = ("inverted", lambda adjustments: True)
    read_adult(app)
    assert not [label for label in button_labels(app) if "read again" in label]


def test_changed_film_is_the_one_displayed_also_after_others_were(
    app: AppTest, reader: WaryReader
) -> None:
    read_adult(app)
    study = app.session_state["read_page"]
    (original,) = study.pictures.values()
    find_button(app, "Invert greyscale and read again").click().run()
    (inverted,) = study.pictures.values()
    assert inverted != original
    study.drop_pictures()  # as when many others have been looked at
    app.run()
    assert not app.exception
    assert list(study.pictures.values()) == [inverted]


def test_change_requested_in_the_viewer_reaches_that_film(
    app: AppTest, reader: WaryReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.wrong = ("inverted", lambda adjustments: True)
    read_adult(app)
    study = app.session_state["read_page"]
    (entry,) = study.entries.values()
    study.edited_ends[entry.key] = (((1.0, 2.0), (3.0, 4.0)), ((0.0, 2.0), (9.0, 4.0)))
    for film_id, changed in (("another", UNCHANGED), (None, Adjustments(mirrored=True))):
        request = RequestedAdjustment(film=film_id or film_view.film_id(entry), change="mirror")
        monkeypatch.setattr(film_view, "requested_adjustment", lambda key, request=request: request)
        film_view._adjust_film(study, "viewer")
        assert entry.examination.adjustments == changed
    assert study.edited_ends == {}, "endpoints that were set on the film as it lay before"
    app.run()
    assert "Mirrored left to right" in visible_text(app)

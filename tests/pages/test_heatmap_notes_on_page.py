"""The note below a heatmap on the Read page is that of the method and finding that are shown."""

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.models.store import load_card
from cxr_core.reading.results import FindingReading
from cxr_core.workspace.paths import SHIPPED_MODELS
from pages.components.read import film_view
from tests.pages.app_bench import find_button, upload, visible_text
from tests.pages.test_read_page import film


def shipped_finding() -> FindingReading:
    """Cardiomegaly, whose exact heatmaps were compared with boxes that readers drew."""
    (folder,) = sorted((SHIPPED_MODELS / "cardiomegaly-adults").iterdir())
    return FindingReading(finding="cardiomegaly", card=load_card(folder))


def test_measured_method_has_its_figures_and_no_other_method_borrows_them() -> None:
    finding = shipped_finding()
    assert "This map shows the region" in film_view._describe_map(finding, "evidence")
    for method in ("gradcam", "layercam"):
        note = film_view._describe_map(finding, method)
        assert "was not measured" in note
        assert "This map" not in note


@pytest.mark.parametrize(("method", "name"), [("evidence", "Evidence"), ("gradcam", "Grad-CAM")])
def test_note_names_finding_and_method(
    app: AppTest, monkeypatch: pytest.MonkeyPatch, method: str, name: str
) -> None:
    monkeypatch.setattr(film_view, "chosen_method", lambda key, default: method)
    upload(app, heart=film(0.6))
    assert "was not measured" not in visible_text(app), "no map before there is a verdict"
    find_button(app, "Adult").click().run()
    assert not app.exception
    assert f"Heatmap of cardiomegaly ({name}): whether it shows where" in visible_text(app).replace(
        "\\", ""
    )

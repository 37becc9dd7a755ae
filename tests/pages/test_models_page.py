"""The Models page through Streamlit's own test bench: what is installed, rolled back and put to use, with a reason."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.runtime.pages_manager import PagesManager
from streamlit.testing.v1 import AppTest, app_test
from streamlit.testing.v1.element_tree import Button

from cxr_core.models.registry.active_version import history
from cxr_core.models.registry.archive import export_model
from cxr_core.models.registry.registry import in_use
from cxr_core.models.store import load_card, load_segmenter_card
from cxr_core.promotion.gate.verdict import Check, Verdict
from pages.components import cache
from tests.pages.fake_reader import FakeReader
from tests.tiny import tiny_card, tiny_model

APP = Path(__file__).parents[2] / "app.py"
HOSTILE = "<img src=x onerror=alert(1)> **bold**"
VERDICT = Verdict(
    model="tiny",
    version="1.0.0",
    rival="tiny 1.0.0",
    part="test",
    films="60 films",
    checks=(
        Check(name="population", status="pass", sentence="Made for anybody."),
        Check(
            name="AUROC",
            finding="pneumonia",
            status="fail",
            sentence=f"significantly worse {HOSTILE}",
        ),
        Check(
            name="AP films",
            finding="pneumonia",
            status="not enough cases",
            sentence="3 films",
            needed=False,
        ),
    ),
    official_test={},
    limits={},
    between={},
    made="2026-11-21T10:00:00+00:00",
)


class Pages(PagesManager):
    """Takes what the bench resets before each run, so that app.py always runs as a server runs it after its start."""


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, workspace: Path) -> AppTest:
    """The Models page, with two versions of a tiny model beside what is shipped; the higher went against the gate."""
    monkeypatch.setattr(PagesManager, "uses_pages_directory", False)
    monkeypatch.setattr(app_test, "PagesManager", Pages)
    monkeypatch.setattr(cache, "reader", FakeReader)
    monkeypatch.setattr(cache, "start_warm_up", lambda: None)
    card = tiny_card(findings=("pneumonia",))
    tiny_model(workspace / "models", card)
    story = {
        "run": "third",
        "note": HOSTILE,
        "override": "nothing better",
        "when": "2026-11-21T10:00:00+00:00",
    }
    second = tiny_model(
        workspace / "models", replace(card, version="1.1.0", training={"published": story})
    )
    (second / "gate.json").write_text(json.dumps(VERDICT.to_json()))
    found = AppTest.from_file(str(APP), default_timeout=120).run()
    found.query_params["model"] = "tiny"
    return found.switch_page("pages/models.py").run()


def words(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.error, app.warning, app.success, app.subheader)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def rows(app: AppTest, column: str) -> list[dict[str, Any]]:
    return next(
        table.value.to_dict("records") for table in app.table if column in table.value.columns
    )


def button(app: AppTest, label: str) -> Button:
    return next(each for each in app.button if each.label == label)


def press(app: AppTest, label: str, why: str) -> AppTest:
    assert button(app, label).disabled
    app.text_input[0].set_value(why).run()
    return button(app, label).click().run()


def test_installed_models_are_listed_with_what_the_gate_said(app: AppTest) -> None:
    assert not app.exception
    assert {row["Model"] for row in rows(app, "Tells")} >= {"anatomy", "pneumonia-children", "tiny"}
    first, second = rows(app, "Gate")
    assert (first["Version"], first["Gate"]) == ("1.1.0 **in use**", "shut, published against it")
    assert (second["Version"], second["Gate"]) == ("1.0.0", "not asked")
    assert "published against the gate: nothing better" in words(app)
    checks = rows(app, "What was found")
    assert [row["Check"] for row in checks] == [
        "AUROC, pneumonia",
        "Population",
        "AP films, pneumonia",
    ]
    assert "1 of 3 checks had too few cases to tell" in words(app)
    told = words(app) + json.dumps([table.value.to_dict("records") for table in app.table])
    assert r"\\<img src=x" in told or r"\<img src=x" in told
    assert "**bold**" not in told.replace(r"\*\*bold\*\*", "").replace(r"\\*\\*bold\\*\\*", "")


def test_going_back_is_one_click_and_forth_needs_a_reason_and_both_are_on_record(
    app: AppTest,
) -> None:
    button(app, "Roll back to 1.0.0").click().run()
    assert not app.exception
    assert in_use("tiny").version == "1.0.0"
    assert "tiny 1.0.0 is in use." in words(app)
    assert rows(app, "Gate")[1]["Version"] == "1.0.0 **in use**"
    assert rows(app, "Before")[0]["Why"] == "one click on the Models page"
    assert not [each for each in app.button if each.label.startswith("Roll back")]
    press(app, "Use 1.1.0", "they were turned")
    assert in_use("tiny").version == "1.1.0"
    assert [each["what"] for each in history("tiny")] == ["promoted", "rolled back"]


def test_a_pointer_to_nowhere_is_said(app: AppTest, workspace: Path) -> None:
    (workspace / "models" / "tiny" / "current.json").write_text('{"version": "9.9"}')
    app.run()
    assert "which is gone, so 1.1.0 is in use" in words(app).replace("\\", "")


def test_a_shipped_model_has_its_card_and_says_what_the_gate_said_if_it_was_asked(
    app: AppTest,
) -> None:
    app.selectbox(key="models-model").set_value("pneumonia-children").run()
    assert not app.exception
    assert "published against the gate: The calibration error" in words(app)
    learnt = load_card(in_use("pneumonia-children").folder).training["data"]["parts"]["train"]
    assert f"Learnt from:** {learnt['films']:,} films of {learnt['patients']:,} patients" in words(
        app
    )
    app.selectbox(key="models-model").set_value("anatomy").run()
    assert not app.exception
    assert "the gate was never asked about it" in words(app)
    assert "Outlines heart" in words(app)
    dice = load_segmenter_card(in_use("anatomy").folder).metrics["validation"]["dice_heart"][
        "value"
    ]
    assert rows(app, "On validation films")[0]["Figure"] == "Dice, heart"
    assert rows(app, "On validation films")[0]["On validation films"].startswith(f"{dice:.3f} (")


def test_the_figure_of_a_combined_probability_stands_beside_the_networks_own(app: AppTest) -> None:
    shipped = load_card(in_use("cardiomegaly-adults").folder).metrics
    row = next(row for row in rows(app, "Tells") if row["Model"] == "cardiomegaly-adults")
    alone, combined = (shipped[part]["cardiomegaly"]["auroc"] for part in ("test", "test_combined"))
    said = row["AUROC, official test"]
    assert said.startswith(f"{alone['value']:.3f} (")
    assert said.endswith(
        f"{combined['value']:.3f} ({combined['low']:.3f} to {combined['high']:.3f}) with the ratio"
    )


def test_a_zip_is_taken_in_beside_what_is_in_use_and_a_bad_one_is_refused(
    app: AppTest, tmp_path: Path
) -> None:
    other = tiny_model(tmp_path, tiny_card(findings=("pneumonia",), version="3.0.0"))
    give(app, "no.zip", b"nothing")
    assert "no zip that can be read" in words(app)
    give(app, "tiny.zip", export_model(other))
    assert not app.exception
    assert "tiny 3.0.0 is installed." in words(app)
    assert [row["Version"] for row in rows(app, "Gate")] == ["3.0.0", "1.1.0 **in use**", "1.0.0"]
    assert app.get("download_button")[0].proto.label == "Export 1.1.0"


def give(app: AppTest, name: str, data: bytes) -> None:
    app.file_uploader[0].upload(name, data, "application/zip").run()
    next(each for each in app.button if each.label == "Import").click().run()

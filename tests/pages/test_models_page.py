"""The Models page on Streamlit's test bench: what is installed, rolled back, activated and imported."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.errors import ModelError
from cxr_core.film.quality_flag import QualityFlag
from cxr_core.models.card import Population
from cxr_core.models.registry.active_version import activate_version, remove_version, retire_model
from cxr_core.models.registry.archive import export_model
from cxr_core.models.registry.pointers import read_history
from cxr_core.models.registry.registry import find_active_version
from cxr_core.models.store import load_card, load_segmenter_card
from cxr_core.promotion import imports
from pages.components import cache
from tests.pages.app_bench import find_button, open_page, table_rows, visible_text
from tests.pages.fake_reader import FakeReader
from tests.pages.fake_verdicts import CLOSED, HOSTILE
from tests.tiny import tiny_card, tiny_model


@pytest.fixture
def models_page(app: AppTest, workspace: Path) -> AppTest:
    """The Models page with two versions of a tiny model; the higher one was published against the gate."""
    card = tiny_card(findings=("pneumonia",))
    tiny_model(workspace / "models", card)
    published = {
        "run": "third",
        "note": HOSTILE,
        "override": "nothing better",
        "when": "2026-11-21T10:00:00+00:00",
    }
    second = tiny_model(
        workspace / "models", replace(card, version="1.1.0", training={"published": published})
    )
    (second / "gate.json").write_text(json.dumps(CLOSED.to_json()))
    return open_page(app, "models", model="tiny")


def test_without_a_model_of_ones_own_the_page_says_how_to_get_one(app: AppTest) -> None:
    open_page(app, "models")
    assert "first train one on your films on the Train page" in visible_text(app)


def test_installed_models_are_listed_with_their_gate_verdicts(models_page: AppTest) -> None:
    assert not models_page.exception
    assert "No model of your own" not in visible_text(models_page)
    assert {row["Model"] for row in table_rows(models_page, "Output")} >= {
        "anatomy",
        "pneumonia-children",
        "tiny",
    }
    first, second = table_rows(models_page, "Gate")
    assert (first["Version"], first["Gate"]) == ("1.1.0 **active**", "closed, published against it")
    assert (second["Version"], second["Gate"]) == ("1.0.0", "not run")
    assert "published although the gate is closed: nothing better" in visible_text(models_page)
    checks = table_rows(models_page, "Details")
    assert [row["Check"] for row in checks] == [
        "AUROC, pneumonia",
        "Population",
        "AP films, pneumonia",
    ]
    assert "1 of 3 checks had too few cases to decide" in visible_text(models_page)
    text = visible_text(models_page) + json.dumps(
        [table.value.to_dict("records") for table in models_page.table]
    )
    assert r"\\<img src=x" in text or r"\<img src=x" in text
    assert "**bold**" not in text.replace(r"\*\*bold\*\*", "").replace(r"\\*\\*bold\\*\\*", "")


def test_rollback_takes_one_click_another_version_needs_a_reason_and_both_are_recorded(
    models_page: AppTest,
) -> None:
    find_button(models_page, "Roll back to 1.0.0").click().run()
    assert not models_page.exception
    assert find_active_version("tiny").version == "1.0.0"
    assert "tiny 1.0.0 is now the active version." in visible_text(models_page)
    assert table_rows(models_page, "Gate")[1]["Version"] == "1.0.0 **active**"
    assert table_rows(models_page, "Before")[0]["Reason"] == "one click on the Models page"
    assert not [each for each in models_page.button if each.label.startswith("Roll back")]
    assert find_button(models_page, "Activate 1.1.0").disabled, "without a reason"
    enter_reason(models_page, "use-tiny", "Activate 1.1.0")
    assert find_active_version("tiny").version == "1.1.0"
    assert [each["what"] for each in read_history("tiny")] == ["promoted", "rolled back"]


def test_missing_active_version_is_explained(models_page: AppTest, workspace: Path) -> None:
    (workspace / "models" / "tiny" / "current.json").write_text('{"version": "9.9"}')
    models_page.run()
    assert "which is gone, so tiny 1.1.0, the highest version, is active" in visible_text(
        models_page
    ).replace("\\", "")


def test_shipped_models_show_card_and_verdict(
    models_page: AppTest,
) -> None:
    models_page.selectbox(key="models-model-0").set_value("pneumonia-children").run()
    assert not models_page.exception
    assert "published although the gate is closed: The calibration error" in visible_text(
        models_page
    )
    trained_on = load_card(find_active_version("pneumonia-children").folder).training["data"][
        "parts"
    ]["train"]
    assert (
        f"Trained on:** {trained_on['films']:,} films of {trained_on['patients']:,} patients"
        in visible_text(models_page)
    )
    models_page.selectbox(key="models-model-0").set_value("anatomy").run()
    assert not models_page.exception
    assert "the gate has not been run for it" in visible_text(models_page)
    assert "Segments heart" in visible_text(models_page)
    dice = load_segmenter_card(find_active_version("anatomy").folder).metrics["validation"][
        "dice_heart"
    ]["value"]
    row = table_rows(models_page, "Validation films")[0]
    assert row["Figure"] == "Dice, heart"
    assert row["Validation films"].startswith(f"{dice:.3f} (")


def test_auroc_of_the_fused_probability_is_shown_beside_the_networks_own(
    models_page: AppTest,
) -> None:
    shipped = load_card(find_active_version("cardiomegaly-adults").folder).metrics
    row = next(
        row for row in table_rows(models_page, "Output") if row["Model"] == "cardiomegaly-adults"
    )
    alone, combined = (shipped[part]["cardiomegaly"]["auroc"] for part in ("test", "test_combined"))
    said = row["AUROC, test films"]
    assert said.startswith(f"{alone['value']:.3f} (")
    assert said.endswith(
        f"{combined['value']:.3f} ({combined['low']:.3f} to {combined['high']:.3f}) with the ratio · "
        f"{combined['n']:,} films, {combined['positives']} positive"
    )


def test_headings_of_the_card_say_what_was_measured(models_page: AppTest) -> None:
    models_page.selectbox(key="models-model-0").set_value("cardiomegaly-adults").run()
    rows = table_rows(models_page, "Test films")
    assert list(rows[0]) == [
        "Figure",
        "Validation films",
        "Test films",
        "Test films, with the ratio",
        "Test films, PA, with the ratio",
        "Test films, AP, with the ratio",
        "Test films and films with boxes, with the ratio",
    ]
    assert rows[0]["Test films, PA, with the ratio"].endswith(" · 22 of 452")
    assert "With the ratio: the probability that a reading shows" in visible_text(models_page)


def test_card_of_another_preprocessing_version_is_named_and_left_out(
    models_page: AppTest, workspace: Path
) -> None:
    path = workspace / "models" / "tiny" / "1.0.0" / "card.json"
    card = json.loads(path.read_text())
    card["input_spec"]["version"] = 99
    path.write_text(json.dumps(card))
    models_page.run()
    assert not models_page.exception
    (warning,) = (each.value for each in models_page.warning if "is left out" in each.value)
    assert "tiny 1.0.0 is left out" in warning
    assert "99" in warning
    assert {row["Model"] for row in table_rows(models_page, "Output")} >= {"anatomy", "tiny"}
    assert not [each for each in models_page.button if each.label.startswith("Roll back")]


def test_active_card_that_cannot_be_read_leaves_the_page_usable(
    models_page: AppTest, workspace: Path
) -> None:
    (workspace / "models" / "tiny" / "1.1.0" / "card.json").write_text("{")
    models_page.run()
    assert not models_page.exception
    assert any("tiny 1.1.0 is left out" in each.value for each in models_page.warning)
    find_button(models_page, "Roll back to 1.0.0").click().run()
    assert find_active_version("tiny").version == "1.0.0"
    assert "tiny 1.0.0 is now the active version." in visible_text(models_page)


def test_zip_is_installed_beside_the_active_version_and_a_bad_one_is_refused(
    models_page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "try_model", lambda folder: None)
    other = tiny_model(tmp_path, tiny_card(findings=("pneumonia",), version="3.0.0"))
    import_zip(models_page, "no.zip", b"nothing")
    assert "not a readable zip file" in visible_text(models_page)
    import_zip(models_page, "tiny.zip", export_model(other))
    assert not models_page.exception
    assert "tiny 3.0.0 is installed and not in use" in visible_text(models_page)
    assert [(row["Version"], row["Origin"]) for row in table_rows(models_page, "Gate")] == [
        ("3.0.0", "imported from a zip file"),
        ("1.1.0 **active**", "run third"),
        ("1.0.0", "installed by hand"),
    ]
    assert models_page.get("download_button")[0].proto.label == "Export 1.1.0"


def test_imported_model_is_activated_retired_and_removed_with_reasons(
    models_page: AppTest, tmp_path: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "try_model", lambda folder: None)
    card = tiny_card("from-elsewhere", findings=("pneumonia",))
    folder = tiny_model(tmp_path, card)
    (folder / "gate.json").write_text(json.dumps(CLOSED.to_json()))
    import_zip(models_page, "new.zip", export_model(folder))
    assert "No version of this model is in use" in visible_text(models_page)
    rows = table_rows(models_page, "Output")
    assert next(r for r in rows if r["Model"] == "from-elsewhere")["Active version"] == (
        "none: not in use"
    )
    assert table_rows(models_page, "Gate")[0]["Gate"].endswith("(where it came from)")
    assert "This verdict came with the zip file" in visible_text(models_page)
    enter_reason(models_page, "use-from-elsewhere", "Activate 1.0.0")
    assert find_active_version("from-elsewhere").version == "1.0.0"
    assert not [each for each in models_page.button if each.label.startswith("Remove")]
    enter_reason(models_page, "retire-now-from-elsewhere", "Retire from-elsewhere")
    assert find_active_version("from-elsewhere") is None
    enter_reason(models_page, "remove-for-good-from-elsewhere", "Remove 1.0.0 for good")
    assert not models_page.exception
    assert "from-elsewhere 1.0.0 was removed." in visible_text(models_page)
    assert not (workspace / "models" / "from-elsewhere").exists()
    assert "There is no model named from-elsewhere" not in visible_text(models_page)


def test_activation_names_what_it_replaces_and_one_click_takes_both_back(
    models_page: AppTest, workspace: Path
) -> None:
    for model in ("tiny", "pneumonia-children"):
        retire_model(model, "makes room")
    card = tiny_card("rival", findings=("pneumonia",), population=Population(text="adults"))
    tiny_model(workspace / "models", card)
    models_page.run()
    assert "It replaces rival 1.0.0 for pneumonia (intended population: adults)" in visible_text(
        models_page
    ).replace("\\", "")
    enter_reason(models_page, "use-tiny", "Activate 1.0.0")
    assert (find_active_version("tiny").version, find_active_version("rival")) == ("1.0.0", None)
    assert "It replaces rival 1.0.0" in visible_text(models_page).replace("\\", "")
    label = "Undo: tiny is no longer in use, and rival 1.0.0 is active again"
    (button,) = (b for b in models_page.button if label in b.label.replace("\\", ""))
    button.click().run()
    assert (find_active_version("tiny"), find_active_version("rival").version) == (None, "1.0.0")
    assert "The change was undone." in visible_text(models_page)


def test_click_undoes_only_what_its_button_said(models_page: AppTest, workspace: Path) -> None:
    """Somebody else changes the models between the drawing and the click."""
    for model in ("tiny", "pneumonia-children"):
        retire_model(model, "makes room")
    tiny_model(workspace / "models", tiny_card("rival", findings=("pneumonia",)))
    activate_version("tiny", "1.0.0", "better")
    models_page.run()
    (button,) = (b for b in models_page.button if b.label.startswith("Undo"))
    activate_version("rival", "1.0.0", "better still")
    button.click().run()
    assert (find_active_version("tiny"), find_active_version("rival").version) == (None, "1.0.0")
    assert not models_page.exception


def test_two_active_models_for_the_same_patients_are_named(
    models_page: AppTest, workspace: Path
) -> None:
    """As when a folder was copied by hand."""
    tiny_model(workspace / "models", tiny_card("copied", findings=("pneumonia",)))
    models_page.run()
    warnings = [each.value.replace("\\", "") for each in models_page.warning]
    assert any("copied 1.0.0 and tiny 1.1.0 both answer pneumonia" in each for each in warnings)


def test_link_to_a_removed_model_says_that_it_was_removed(
    models_page: AppTest, workspace: Path
) -> None:
    tiny_model(workspace / "models", tiny_card("old", findings=("edema",)))
    retire_model("old", "why")
    remove_version("old", "1.0.0", "worse than ours")
    open_page(models_page, "models", model="old")
    text = visible_text(models_page).replace("\\", "")
    assert "old 1.0.0 was removed on" in text
    assert "(worse than ours)" in text


def test_model_of_the_same_name_from_another_workspace_gets_another_name(
    models_page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "try_model", lambda folder: None)
    other = tiny_model(tmp_path, tiny_card(findings=("pneumonia",)), seed=1)
    import_zip(models_page, "tiny.zip", export_model(other))
    assert "tiny 1.0.0 is installed already and is another model" in visible_text(models_page)
    next(f for f in models_page.text_input if f.label == "Name").set_value("tiny-ward-2").run()
    next(each for each in models_page.button if each.label == "Import").click().run()
    assert "tiny-ward-2 1.0.0 is installed and not in use" in visible_text(models_page).replace(
        "\\", ""
    )


def test_version_that_cannot_read_is_named_on_the_page(
    models_page: AppTest, reader: FakeReader
) -> None:
    sentence = "tiny 1.1.0 is left out: its weights were changed or damaged."
    reader.left_out = (QualityFlag("model_left_out", sentence),)
    models_page.run()
    warnings = [each.value.replace("\\", "") for each in models_page.warning]
    assert [warning for warning in warnings if "is left out" in warning] == [sentence]


def test_when_every_model_is_damaged_both_pages_say_so(
    models_page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> FakeReader:
        raise ModelError("No model can read films. tiny 1.1.0 is left out.")

    monkeypatch.setattr(cache, "load_reader", fail)
    models_page.run()
    assert not models_page.exception
    assert "No model can read films" in visible_text(models_page)
    assert {row["Model"] for row in table_rows(models_page, "Output")} >= {"anatomy", "tiny"}
    read_page = open_page(models_page, "read")
    read_page.file_uploader[0].upload("a.png", b"film", "image/png").run()
    assert not read_page.exception
    assert "No model can read films" in visible_text(read_page)


def enter_reason(app: AppTest, name: str, label: str) -> None:
    field = next(each for each in app.text_input if each.key.startswith(f"models-why-{name}-"))
    field.set_value("a reason").run()
    next(each for each in app.button if each.label.replace("\\", "") == label).click().run()


def import_zip(app: AppTest, name: str, data: bytes) -> None:
    app.file_uploader[0].upload(name, data, "application/zip").run()
    next(each for each in app.button if each.label == "Import").click().run()

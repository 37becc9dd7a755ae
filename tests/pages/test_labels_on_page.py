"""The Labels tab of the Data page: findings are defined, labels mapped, and what cannot be is said."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cxr_core.data.prepare import prepare_dataset
from cxr_core.data.registry import find_dataset
from cxr_core.known_findings import local_findings
from pages.components import cache
from pages.components.datasets.add_dataset import PREFIX
from tests.pages.app_bench import find_button, open_page, visible_text
from tests.pages.fake_datasets import write_films

HOSTILE_COLUMN = "<b>x</b> **$y$**"


@pytest.fixture
def labels_tab(app: AppTest, tmp_path: Path) -> AppTest:
    """The tab for six films whose label columns no finding is called like."""
    write_films(tmp_path / "films")
    rows = [f"film-{n}.png,p{n},{n % 2},{'yes' if n < 3 else 'no'},{n + 7}" for n in range(6)]
    header = f"file,patient,{HOSTILE_COLUMN},Herzvergr.,id"
    (tmp_path / "films" / "labels.csv").write_text("\n".join([header, *rows]))
    prepare_dataset([tmp_path / "films"])
    return open_page(app, "data", tab="labels")


def choose(app: AppTest, label: str, target: str) -> None:
    next(box for box in app.selectbox if box.label == f"Meaning of {label}").set_value(target)


def save(app: AppTest) -> AppTest:
    """Save the mapping, and wait until the dataset is prepared."""
    find_button(app, "Save and prepare again").click().run()
    assert all(task.wait(60) for task in cache.background_tasks().list_running(PREFIX))
    return app.run()


def define(app: AppTest, key: str, name: str) -> None:
    next(field for field in app.text_input if field.label == "Key").set_value(key)
    next(field for field in app.text_input if field.label == "Name").set_value(name)
    next(area for area in app.text_area if area.label == "Definition").set_value("New bone.")
    find_button(app, "Define").click().run()


def test_a_finding_is_defined_and_columns_are_mapped(labels_tab: AppTest) -> None:
    app = labels_tab
    assert r"**\<b\>x\</b\> \*\*\$y\$\*\***" in visible_text(app)
    define(app, "cardiomegaly", "Heart")
    assert "another name of the finding" in visible_text(app)
    define(app, "callus", "Callus")
    assert list(local_findings()) == ["callus"]
    choose(app, HOSTILE_COLUMN, "callus")
    choose(app, "Herzvergr.", "cardiomegaly")
    choose(app, "id", "ignore")
    save(app)
    dataset = find_dataset("films")
    assert dataset.load_manifest().findings == ("cardiomegaly", "callus")
    assert dataset.label_mapping["id"] == "ignore"
    assert "Callus (locally defined)" in visible_text(app).replace("\\", "")


def test_two_columns_for_one_finding_are_refused_and_nothing_changes(labels_tab: AppTest) -> None:
    app = labels_tab
    choose(app, HOSTILE_COLUMN, "mass")
    choose(app, "Herzvergr.", "mass")
    assert "both mean Mass" in visible_text(save(app))
    assert not find_dataset("films").label_mapping

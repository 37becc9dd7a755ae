"""The heatmap tab shows the figures of a shipped card in the words of the report."""

from streamlit.testing.v1 import AppTest

from cxr_core.evaluation.report.document import Table
from cxr_core.evaluation.report.explanations import build_localisation_blocks
from cxr_core.models.figures import recorded_localisation
from cxr_core.models.store import load_card
from cxr_core.workspace.paths import SHIPPED_MODELS
from tests.pages.app_bench import visible_text

CARD_FOLDER = SHIPPED_MODELS / "cardiomegaly-adults" / "1.5.0"


def show_shipped_localisation(folder: str) -> None:
    """The script of the bench, which sees nothing of this module."""
    from pathlib import Path
    from types import SimpleNamespace

    from cxr_core.models.figures import recorded_localisation
    from cxr_core.models.store import load_card
    from pages.components.evaluation.tabs.heatmaps import show_heatmap_figures

    localisation = recorded_localisation(load_card(Path(folder)).metrics, "cardiomegaly")
    show_heatmap_figures(SimpleNamespace(localisation=localisation, attribution_inside=None))


def test_page_and_report_name_the_figures_of_heatmaps_alike() -> None:
    app = AppTest.from_function(
        show_shipped_localisation, args=(str(CARD_FOLDER),), default_timeout=60
    ).run()
    assert not app.exception
    localisation = recorded_localisation(load_card(CARD_FOLDER).metrics, "cardiomegaly")
    assert localisation is not None
    blocks = build_localisation_blocks(localisation)
    headings = {cell for block in blocks if isinstance(block, Table) for cell in block.header}
    first_cells = {
        str(row[0]) for block in blocks if isinstance(block, Table) for row in block.rows
    }
    pointing, inside, overlap, *_ = (table.value for table in app.table)
    assert set(pointing.columns) - {"Heatmap minus centre"} <= headings
    assert set(overlap.columns) <= headings
    for table in (pointing, inside, overlap):
        assert set(table.iloc[:, 0]) <= first_cells
    assert pointing["Heatmap"][0].replace("\N{NO-BREAK SPACE}", " ") == "0.988 (0.963 to 1.000)"
    assert "The heatmap beats a random point" in visible_text(app)

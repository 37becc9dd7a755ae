"""A bounded run of the soak; `python -m tests.soak.damage_workspace` tries every file, damage, page and command."""

from collections.abc import Iterator

import pytest

from tests.soak.damage_workspace import NEVER_SILENT, VIEWS_OF, WorkspaceSoak, area_of, quiet_app
from tests.soak.file_damages import list_damages
from tests.soak.whole_workspace import KINDS, sort_by_kind


@pytest.fixture(scope="module")
def soak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkspaceSoak]:
    """The workspace with its views and commands."""
    site = tmp_path_factory.mktemp("soak") / "site"
    with pytest.MonkeyPatch.context() as patch, quiet_app():
        patch.setenv("CXR_WORKSPACE", str(site / "workspace"))
        yield WorkspaceSoak(site, site.parent)


def test_every_kind_of_file_is_in_the_workspace_and_a_new_one_is_noticed(
    soak: WorkspaceSoak,
) -> None:
    assert [kind for kind in KINDS if not soak.kinds[kind]] == []
    new = soak.workspace / "datasets" / "films" / "of_a_new_kind.json"
    new.write_text("{}")
    with pytest.raises(LookupError, match="of_a_new_kind"):
        sort_by_kind(soak.workspace)
    new.unlink()


@pytest.mark.parametrize("number", range(len(KINDS)), ids=KINDS)
def test_damage_takes_no_page_down(soak: WorkspaceSoak, number: int) -> None:
    kind = list(KINDS)[number]
    path = soak.kinds[kind][0]
    damages = list_damages(path)
    damage = damages[number % len(damages)]  # each kind in another way
    view = VIEWS_OF[area_of(soak.workspace, path)][0]
    outcome = soak.try_case(kind, path, damage, views=[view], commands=[])
    assert outcome.violations == [], f"{kind}: {damage}"


@pytest.mark.parametrize(
    ("kind", "view", "remedy"),
    [
        ("dataset record", "data", "prepare its films again"),
        ("dataset manifest", "data", "prepare"),
        ("dataset issues", "data", "prepare films again"),
        ("cache grids", "data explore", "repare the dataset again"),
        ("cache index", "data explore", "repare the dataset again"),
        ("metrics", "evaluate Curves", "evaluate again"),
        ("predictions", "evaluate recalibrated", "evaluate again"),
        ("curves", "evaluate recalibrated", "evaluate again"),
        ("recalibration", "evaluate recalibrated", "evaluate again"),
        ("run gate", "train finished", "run the gate again"),
        ("model gate", "models", "run the gate again"),
        ("model history", "models", "move it away"),
        ("subset", "data explore", "delete"),
        ("verdicts", "review Read", "move it away"),
        ("label layer", "review Labels", "put a copy"),
        ("acceptance record", "site History", "move it away"),
        ("node's queue", "node", "move the file away"),
        ("search", "train search", "put a copy"),
        ("search results", "train search", "writes it anew"),
    ],
)
def test_damage_is_said_with_the_files_name_and_what_to_do(
    soak: WorkspaceSoak, kind: str, view: str, remedy: str
) -> None:
    paths = soak.kinds[kind]
    path = next((path for path in paths if "evaluation" not in path.parts), paths[0])
    outcome = soak.try_case(kind, path, "a folder", views=[view], commands=[])
    said = "\n".join(outcome.said).replace("\\", "")
    assert path.name in said or path.parent.name in said
    assert remedy in said


@pytest.mark.parametrize(
    ("kind", "command"),
    [("predictions", "compare"), ("metrics", "compare"), ("dataset record", "prepare")],
)
def test_a_command_ends_with_one_sentence(soak: WorkspaceSoak, kind: str, command: str) -> None:
    path = soak.kinds[kind][-1]
    outcome = soak.try_case(kind, path, "garbage", views=[], commands=[command])
    assert outcome.violations == []
    assert len(outcome.said) == 1


def test_what_is_never_damaged_in_silence_is_a_kind_of_file() -> None:
    assert set(NEVER_SILENT) <= set(KINDS)

"""What installs models as victims: the import of a zip, as the Models page calls it, and `python -m train.publish`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from cxr_core.errors import SilhouetteError
from cxr_core.models.card import CARD
from cxr_core.models.registry.active_version import activate_version
from cxr_core.models.registry.archive import export_model
from cxr_core.models.registry.pointers import read_history
from cxr_core.models.registry.registry import find_active_version, list_versions
from cxr_core.models.store import load_card, load_network, load_ood_statistics
from cxr_core.promotion import imports
from cxr_core.training.runs.run_folder import RunFolder
from tests.soak.victims.program import Program, Site, require
from tests.soak.victims.site import REASON
from train.publish import main as publish

MODEL, FIRST, IMPORTED = "victim", "1.0.0", "7.0.0"


def _begin_import(site: Site) -> None:
    """The zip of the other run's model, as a version of its own."""
    folder = site.workspace.parent / "to-import" / MODEL / IMPORTED
    if not folder.exists():
        folder.parent.mkdir(parents=True)
        RunFolder(site.other_run).model.rename(folder)
        card = replace(load_card(folder), version=IMPORTED)
        (folder / CARD).write_text(card.to_json())
    zip_path(site).write_bytes(export_model(folder))


def zip_path(site: Site) -> Path:
    """The zip that is imported."""
    return site.workspace.parent / "model.zip"


def _import(site: Site) -> int:
    if IMPORTED in _versions():  # killed between the last of its work and its end
        return 0
    # A trial takes seconds in a process of its own, which writes nothing.
    imports.try_model = lambda folder: None
    try:
        print(imports.import_model(zip_path(site).read_bytes()))
    except SilhouetteError as error:
        print(f"import: {error}")
        return 3
    return 0


def _inspect(site: Site) -> None:
    """Each visible version loads, those that were there stay, and the active one is what was last seen or newer."""
    for folder in list_versions(MODEL):
        load_network(folder, load_card(folder))
        load_ood_statistics(folder)
    versions = _versions()
    lost = set(site.seen.get("versions", {FIRST})) - set(versions)
    require(not lost, f"versions were lost: {lost}")
    active = find_active_version(MODEL)
    require(active is not None and not active.reason, f"no version is active: {active}")
    history = [record["version"] for record in read_history(MODEL)]
    known = site.seen.get("history", [])
    require(history[len(history) - len(known) :] == known, f"{known} became {history}")
    site.seen.update(versions=versions, history=history)


def _inspect_import(site: Site) -> None:
    _inspect(site)
    active = find_active_version(MODEL)
    require(active and active.version == FIRST, f"an import changed the active version: {active}")


def _publish(site: Site) -> int:
    if len(_versions()) > 1:
        active = find_active_version(MODEL)
        newest = _versions()[-1]
        if active and active.version == newest:
            return 0
        print(activate_version(MODEL, newest, REASON))  # as the Models page does
        return 0
    return publish([str(site.other_run), "--override", REASON, "--note", REASON])


def _versions() -> list[str]:
    return [folder.name for folder in list_versions(MODEL)]


def _outcome(site: Site) -> Any:
    active = find_active_version(MODEL)
    assert active is not None
    cards = [load_card(folder) for folder in list_versions(MODEL)]
    files = [sorted(path.name for path in folder.iterdir()) for folder in list_versions(MODEL)]
    weights = [card.weights_sha256 for card in cards]
    return active.version, _versions(), weights, files


IMPORTER = Program(
    name="importer", begin=_begin_import, work=_import, inspect=_inspect_import, outcome=_outcome
)
PUBLISHER = Program(name="publisher", work=_publish, inspect=_inspect, outcome=_outcome)

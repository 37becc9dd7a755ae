"""The films of a run's parts, to be measured on: divided as they were when it learnt, or refused."""

from pathlib import Path

from cxr_core.data.manifest import Manifest
from cxr_core.errors import RunError
from cxr_core.training.fit import LEARNT_ON, divided
from cxr_core.training.runs.run_folder import MANIFEST, RECIPE, RunFolder


def run_in(folder: Path) -> RunFolder | None:
    """The run of a folder; None when it holds none."""
    return (
        RunFolder(folder) if (folder / RECIPE).is_file() and (folder / MANIFEST).is_file() else None
    )


def part_of_run(run: RunFolder, manifest: Manifest, part: str) -> Manifest:
    """The films of one part of a run. manifest: usable films, decoded.

    The test part of a run whose recipe says split = "given" is the data's own, whatever data it is; every other part is
    divided anew. Raises RunError when that gives other training or validation films than the run had, DataError when
    the part is empty.
    """
    recipe = run.recipe()
    if recipe.split == "given" and part == "test":
        return manifest.part(part)
    again = divided(recipe, manifest)
    learnt = again.with_table(again.table[again.table["split"].isin(LEARNT_ON)])
    if learnt.split_sha256() != run.manifest()["split_sha256"]:
        raise RunError(
            f"this data divides into other training films than those of {run.path}, so its {part} part cannot be told "
            f"from what was learnt; give the run's own data, or evaluate {run.model} on the data's own test part"
        )
    return again.part(part)

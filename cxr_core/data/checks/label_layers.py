"""Reports the label layers of a dataset: what each would change, and which of its films are gone."""

from collections.abc import Iterator

from cxr_core.data.checks.issue import Issue
from cxr_core.data.checks.run import run_checks
from cxr_core.data.label_layers import LabelLayer, apply_layers, list_layers
from cxr_core.data.manifest import Manifest
from cxr_core.presentation.wording import format_count


def check_label_layers(manifest: Manifest, dataset: str) -> Iterator[Issue]:
    """A note on each layer that was made for a dataset. dataset: its registered name.  manifest: decoded."""
    known = frozenset(manifest.table["sha256"].dropna())
    for layer in list_layers(dataset):
        gone = format_count(len(layer.films - known), "films")
        missing = "" if layer.films <= known else f" No longer in the data: {gone} of it."
        yield Issue(
            code="label_layer",
            message=f"Readers decided labels in the layer {layer.name}: {layer.sentence}.{missing}",
            count=len(layer.films),
        )


def list_changed_issues(manifest: Manifest, layer: LabelLayer) -> tuple[list[Issue], list[Issue]]:
    """What the dataset checks report with a layer and not without it, and the other way round.

    manifest: all films of the dataset. Raises DataError for a layer of another dataset.
    """
    before = {(issue.code, issue.message): issue for issue in run_checks(manifest)}
    layered = apply_layers(manifest, [layer.reference])
    after = {(issue.code, issue.message): issue for issue in run_checks(layered)}
    appeared = [issue for key, issue in after.items() if key not in before]
    return appeared, [issue for key, issue in before.items() if key not in after]

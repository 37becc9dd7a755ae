"""Names that stand beside folders and datasets where data is named: `subset:NAME` and `labels:NAME`."""

from collections.abc import Callable, Iterable
from pathlib import Path

from cxr_core.data import label_layers, subsets
from cxr_core.data.manifest import Manifest


def is_reference(name: str | Path) -> bool:
    """Whether a name of data is that of a subset or a label layer, and no folder or dataset."""
    return subsets.is_subset(name) or label_layers.is_layer(name)


def find_referenced_dataset(name: str) -> str:
    """The registered name of the dataset that a subset or a label layer was made of. Raises DataError."""
    if label_layers.is_layer(name):
        return label_layers.load_layer(name).record.dataset
    return subsets.load_subset(name).record.dataset


def resolve_reference(name: str) -> str:
    """The name of a subset or a label layer in the spelling that is recorded. Raises DataError when there is none."""
    if label_layers.is_layer(name):
        return label_layers.load_layer(name).reference
    return subsets.load_subset(name).reference


def apply_references(
    films: Manifest,
    names: Iterable[str | Path],
    tell: Callable[[str], None] = lambda sentence: None,
) -> Manifest:
    """The films of whole datasets with the labels of every layer among some names, and then those of every subset.

    tell: is told what layers change and how many films of a subset are there. Raises DataError as these do.
    """
    given = list(names)
    layered = label_layers.apply_layers(films, given, tell)
    return subsets.select_subsets(layered, given, tell)

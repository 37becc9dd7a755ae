"""Says which finding a dataset's own labels mean: by the mapping kept with the dataset, else by the findings' names.

A label is the heading of a column, a name in a cell, or the name of a class folder.
"""

import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from cxr_core.errors import DataError
from cxr_core.findings import NO_FINDING_ALIASES
from cxr_core.known_findings import known_findings
from cxr_core.presentation.wording import finding_name
from cxr_core.workspace.paths import printable

# What a label may be mapped to beside a finding's key.
IGNORE, NO_FINDING = "ignore", "no_finding"
DETECT = "detect"  # takes a label out of a mapping, so that its own name counts again
MAX_LABEL = 200  # characters

LabelMapping = Mapping[str, str]  # label -> a finding's key, IGNORE or NO_FINDING


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelVocabulary:
    """What the labels of a dataset mean.

    targets: what each mapped label means, by its spelling.  names: the key of a finding by each of its names.
    used: the mapped labels that were met, by spelling.  unknown: the films with each label that means nothing. Whoever
    reads tables and folders adds to both.  Without names it knows no label.
    """

    targets: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    unknown: Counter[str] = field(default_factory=Counter)

    @classmethod
    def from_mapping(cls, mapping: LabelMapping) -> "LabelVocabulary":
        """Names and aliases of every known finding, and a dataset's mapping, which comes first."""
        names: dict[str, str] = {}
        for finding in known_findings().values():
            names |= dict.fromkeys(finding.aliases, finding.key)
        targets = {spell_label(label): target for label, target in mapping.items()}
        return cls(targets=targets, names=names)

    def find_key(self, label: str) -> str | None:
        """The key of the finding that a label means; None for an unknown label, an ignored one and "no finding"."""
        target = self._find_target(label)
        if target is None:
            return self.names.get(label.strip().lower())
        return None if target in (IGNORE, NO_FINDING) else target

    def is_mapped(self, label: str) -> bool:
        """Whether the dataset's mapping says what a label means."""
        return self._find_target(label) is not None

    def is_ignored(self, label: str) -> bool:
        """Whether the dataset's mapping says that a label says nothing."""
        return self._find_target(label) == IGNORE

    def is_no_finding(self, label: str) -> bool:
        """Whether a label means that there is no finding."""
        target = self._find_target(label)
        if target is None:
            return label.strip().lower() in NO_FINDING_ALIASES
        return target == NO_FINDING

    def is_known(self, label: str) -> bool:
        """Whether a label means a finding, no finding, or is ignored."""
        return (
            self.find_key(label) is not None or self.is_no_finding(label) or self.is_ignored(label)
        )

    def is_alias(self, label: str) -> bool:
        """Whether a label means a finding without being its key or its name."""
        key = self.find_key(label)
        if key is None:
            return False
        return label.strip().lower() not in {key, finding_name(key).lower()}

    def _find_target(self, label: str) -> str | None:
        spelling = spell_label(label)
        target = self.targets.get(spelling)
        if target is not None:
            self.used.add(spelling)
        return target


def spell_label(label: str) -> str:
    """A label without differences of case, spaces and Unicode form."""
    return " ".join(unicodedata.normalize("NFC", label).split()).casefold()


def merge_mappings(recorded: LabelMapping, changes: LabelMapping) -> dict[str, str]:
    """A mapping with some labels changed, added or, by DETECT, taken out. A finding is given by its key or a name.

    Raises DataError for a target that is no finding, and for a label without text or with more than 200 characters.
    """
    merged = {spell_label(label): (label, target) for label, target in recorded.items()}
    for label, target in changes.items():
        spelling = spell_label(label)
        if not spelling or len(label) > MAX_LABEL:
            raise DataError(
                f"{printable(label)!r:.60} cannot be mapped; a label has 1 to {MAX_LABEL} characters"
            )
        if target == DETECT:
            merged.pop(spelling, None)
        else:
            merged[spelling] = (label.strip(), _find_target_key(label, target))
    return dict(merged.values())


def require_known_targets(mapping: LabelMapping) -> None:
    """Raises DataError when a mapping names a finding that this workspace no longer defines."""
    for label, target in mapping.items():
        _find_target_key(label, target)


def list_unused(mapping: LabelMapping, vocabulary: LabelVocabulary) -> list[str]:
    """The mapped labels that no table and no folder has."""
    return [label for label in mapping if spell_label(label) not in vocabulary.used]


def require_used(
    mapping: LabelMapping, vocabulary: LabelVocabulary, labels: Collection[str]
) -> None:
    """Raises DataError, with the labels that there are, for a mapped label that the data do not have."""
    unused = list_unused(mapping, vocabulary)
    if unused:
        there = ", ".join(printable(label) for label in list(labels)[:20]) or "none"
        more = " and others" if len(labels) > 20 else ""
        raise DataError(
            f"no column, label or class folder is called {', '.join(map(printable, unused))}; labels that can be "
            f"mapped: {there}{more}"
        )


def describe_mapping(mapping: LabelMapping) -> str:
    """A mapping on one line: `Herzvergr. → Cardiomegaly, id → ignored`."""
    return ", ".join(
        f"{printable(label)} → {describe_target(target)}" for label, target in mapping.items()
    )


def describe_target(target: str) -> str:
    """What a label is mapped to, in words: Cardiomegaly, ignored, no finding."""
    return {IGNORE: "ignored", NO_FINDING: "no finding"}.get(target) or finding_name(target)


def _find_target_key(label: str, target: str) -> str:
    if target in (IGNORE, NO_FINDING):
        return target
    findings = known_findings()
    name = target.strip().lower()
    for finding in findings.values():
        if name in finding.aliases:
            return finding.key
    raise DataError(
        f"{printable(label)} is mapped to {printable(target)!r:.60}, which is no known finding. Choose {IGNORE}, "
        f"{NO_FINDING} or one of {', '.join(findings)}; or define a finding of that key first"
    )

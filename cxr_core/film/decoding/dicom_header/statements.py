"""Decides what a DICOM file says of view, part of the body and modality, which it may say in several places.

Where the places agree, or only one of them speaks, it is believed. Where two contradict each other the film is read as
neither without a word: an irregularity goes with it.
"""

from dataclasses import dataclass

from pydicom import Dataset

from cxr_core.film.decoding.dicom_header.codes import (
    FOR_PROCESSING_CLASSES,
    find_region_code,
    modality_of_sop_class,
    parse_view_code,
)
from cxr_core.film.decoding.dicom_header.display import PatientOrientation
from cxr_core.film.decoding.dicom_header.values import read_item, read_text, read_texts
from cxr_core.film.radiograph import View
from cxr_core.film.vocabulary import (
    RADIOGRAPHY,
    UNSPECIFIC_MODALITIES,
    NamedPart,
    NamedView,
    find_body_part,
    parse_modality,
    parse_view,
)

# Free texts; only words of the vocabulary are taken from them. A study's description is left out: it names every view.
DESCRIPTIONS = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription")
TAGS = (
    "SOPClassUID", "Modality", "PresentationIntentType", "BodyPartExamined", "AnatomicRegionSequence",
    "ViewPosition", "ViewCodeSequence", *DESCRIPTIONS,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A fact as decided from all places; None where they leave it open.  irregularities: what speaks against it."""

    value: str | None
    irregularities: tuple[str, ...] = ()


def decide_modality(dataset: Dataset) -> Statement:
    """The modality from its tag, else from the SOP class (PS3.4 B.5).

    A tag that names no radiograph stands, whatever the SOP class. An object that was written as a CT slice, say, is
    no film for certain even where its tag says DX.
    """
    texts = read_texts(dataset, "Modality")
    tag = parse_modality(texts[0]) if texts else None
    of_class = modality_of_sop_class(read_sop_class(dataset))
    if of_class is None or (tag is not None and tag not in RADIOGRAPHY | UNSPECIFIC_MODALITIES):
        return Statement(value=tag)
    if tag is None:
        return Statement(value=of_class)
    if of_class in RADIOGRAPHY:
        return Statement(value=of_class if tag in UNSPECIFIC_MODALITIES else tag)
    return Statement(value=tag, irregularities=("modality_disagrees",))


def read_sop_class(dataset: Dataset) -> str:
    """The SOP class of the data set, else the one of the file's meta group; empty without either."""
    meta = getattr(dataset, "file_meta", None)
    in_meta = "" if meta is None else read_text(meta, "MediaStorageSOPClassUID")
    return read_text(dataset, "SOPClassUID") or in_meta


def is_unprocessed(dataset: Dataset) -> bool:
    """Whether the pixels are the detector's own, not yet made to be looked at (PS3.3 C.8.11.1.1.1)."""
    intent = read_text(dataset, "PresentationIntentType")
    return intent == "FOR PROCESSING" or read_sop_class(dataset) in FOR_PROCESSING_CLASSES


def decide_view(dataset: Dataset, orientation: PatientOrientation | None) -> Statement:
    """The view from View Position, View Code Sequence (PS3.3 C.8.7.1.1.2, C.8.11.5) and Patient Orientation.

    Where none of them says anything, a description that names another view than a frontal one is a warning.
    """
    position = parse_view(read_text(dataset, "ViewPosition"))
    statements = [position, _read_coded_view(dataset)]
    if orientation is not None:
        statements.append(orientation.view)
    kinds = {statement.kind for statement in statements}
    directions: set[View] = {
        statement.view for statement in statements if statement.view in ("PA", "AP")
    }
    direction = directions.pop() if len(directions) == 1 else None
    if "several" in kinds or {"frontal", "lateral"} <= kinds:
        return Statement(value=None, irregularities=("view_disagrees",))
    if "special" in kinds:
        return Statement(value=direction, irregularities=("special_view",))
    if "lateral" in kinds:
        return Statement(value="LATERAL")
    if directions:
        return Statement(value=None, irregularities=("direction_disagrees",))
    if "frontal" in kinds:
        return Statement(value=direction)
    if _describes_other_view(dataset):
        return Statement(value=None, irregularities=("described_otherwise",))
    return Statement(value=None, irregularities=("unknown_view",) if "unknown" in kinds else ())


def decide_body_part(dataset: Dataset) -> Statement:
    """The part of the body from Body Part Examined and Anatomic Region Sequence (PS3.3 C.7.3.1, 10.5).

    Where neither says anything, a description that names another part is a warning.
    """
    named = find_body_part(read_text(dataset, "BodyPartExamined"))
    statements = [named, _read_coded_part(dataset)]
    parts: dict[str, str | None] = {}
    for statement in statements:
        parts.setdefault(statement.kind, statement.part)
    with_chest = [kind for kind in ("ribs", "chest", "larger") if kind in parts]
    if with_chest and "other" in parts:
        return Statement(value=parts[with_chest[0]], irregularities=("body_part_disagrees",))
    if with_chest:
        irregularities = {"ribs": ("rib_film",), "larger": ("larger_region",)}
        kind = with_chest[0]
        return Statement(value=parts[kind], irregularities=irregularities.get(kind, ()))
    if "other" in parts:
        return Statement(value=parts["other"])
    if "unknown" in parts:
        return Statement(value=None, irregularities=("unknown_body_part",))
    described = _describes_other_part(dataset)
    return Statement(value=None, irregularities=("described_otherwise",) if described else ())


def _read_coded_view(dataset: Dataset) -> NamedView:
    """The view that View Code Sequence names, by its code or its meaning; a modifier may make it a special one."""
    item = read_item(dataset, "ViewCodeSequence")
    if item is None:
        return NamedView(kind="unstated")
    view = parse_view_code(read_text(item, "CodeValue"))
    if view.kind == "unknown":
        view = parse_view(read_text(item, "CodeMeaning"))
    modifier = read_item(item, "ViewModifierCodeSequence")
    if modifier is not None:
        modified = parse_view_code(read_text(modifier, "CodeValue"))
        if "special" in (modified.kind, parse_view(read_text(modifier, "CodeMeaning")).kind):
            return NamedView(kind="special", view=view.view)
    return view


def _read_coded_part(dataset: Dataset) -> NamedPart:
    """The part that Anatomic Region Sequence names, by its code or its meaning."""
    item = read_item(dataset, "AnatomicRegionSequence")
    if item is None:
        return NamedPart(kind="unstated")
    part = find_region_code(read_text(item, "CodeValue"))
    return part if part.kind != "unknown" else find_body_part(read_text(item, "CodeMeaning"))


def _describes_other_view(dataset: Dataset) -> bool:
    """Whether a description names a lateral, oblique or other view, and none a frontal one."""
    kinds = {parse_view(read_text(dataset, keyword)).kind for keyword in DESCRIPTIONS}
    return bool(kinds & {"lateral", "special"}) and not kinds & {"frontal", "several"}


def _describes_other_part(dataset: Dataset) -> bool:
    """Whether a description names another part of the body, and none the chest."""
    kinds = {find_body_part(read_text(dataset, keyword)).kind for keyword in DESCRIPTIONS}
    return "other" in kinds and not kinds & {"chest", "ribs", "larger"}

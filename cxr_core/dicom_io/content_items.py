"""Makes content items of structured reports (PS3.3 C.17.3), as `encoding` takes them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.sr.coding import Code
from pydicom.valuerep import format_number_as_ds

from cxr_core.dicom_io.codes import SOURCE, describe_code
from cxr_core.dicom_io.encoding import Item

CONTAINS, PROPERTY, MODIFIER = "CONTAINS", "HAS PROPERTIES", "HAS CONCEPT MOD"
CONTEXT, INFERRED, SELECTED = "HAS OBS CONTEXT", "INFERRED FROM", "SELECTED FROM"


def make_container(
    name: Code, children: Sequence[Item], *, template: str = "", relationship: str = CONTAINS
) -> Item:
    """A heading over other items. template: of PS3.16, which they follow; relationship: empty at the root."""
    item = describe_container(name, template) | {"ContentSequence": children}
    return item | {"RelationshipType": relationship}


def describe_container(name: Code, template: str) -> dict[str, Any]:
    """What a heading says of itself."""
    item: dict[str, Any] = {
        "ValueType": "CONTAINER",
        "ConceptNameCodeSequence": [describe_code(name)],
        "ContinuityOfContent": "CONTINUOUS",
    }
    if template:
        item["ContentTemplateSequence"] = [
            {"MappingResource": "DCMR", "TemplateIdentifier": template}
        ]
    return item


def make_text(name: Code, text: str, relationship: str = CONTAINS) -> Item:
    """A text."""
    return _make_item("TEXT", name, relationship) | {"TextValue": text}


def make_code(name: Code, code: Code, relationship: str = CONTAINS) -> Item:
    """A coded value."""
    value = {"ConceptCodeSequence": [describe_code(code)]}
    return _make_item("CODE", name, relationship) | value


def make_uid_reference(name: Code, uid: str, relationship: str = CONTEXT) -> Item:
    """A UID."""
    return _make_item("UIDREF", name, relationship) | {"UID": uid}


def make_number(
    name: Code,
    number: float,
    unit: Code,
    children: Sequence[Item] = (),
    relationship: str = CONTAINS,
) -> Item:
    """A number with its unit. children: what qualifies it."""
    value = {
        "MeasurementUnitsCodeSequence": [describe_code(unit)],
        "FloatingPointValue": number,
        "NumericValue": format_number_as_ds(float(number)),
    }
    item = _make_item("NUM", name, relationship) | {"MeasuredValueSequence": [value]}
    return item | ({"ContentSequence": children} if children else {})


def make_image_reference(name: Code, image: Item, relationship: str = CONTAINS) -> Item:
    """An image. image: an item that names it."""
    return _make_item("IMAGE", name, relationship) | {"ReferencedSOPSequence": [image]}


def make_line(points: np.ndarray, image: Item) -> Item:
    """A line through (N, 2) points (column, row) of an image, from which a number was inferred."""
    return _make_item("SCOORD", SOURCE, INFERRED) | {
        "ContentSequence": [make_image_reference(SOURCE, image, SELECTED)],
        "GraphicType": "POLYLINE",
        "GraphicData": points.ravel().tolist(),
    }


def _make_item(value_type: str, name: Code, relationship: str) -> dict[str, Any]:
    return {
        "RelationshipType": relationship,
        "ValueType": value_type,
        "ConceptNameCodeSequence": [describe_code(name)],
    }

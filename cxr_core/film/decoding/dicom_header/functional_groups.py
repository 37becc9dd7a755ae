"""Lifts the values that an enhanced object keeps in its functional groups to where the other objects keep them."""

from collections.abc import Iterator

from pydicom import DataElement, Dataset
from pydicom.tag import Tag

from cxr_core.film.decoding.dicom_header.values import read_element, read_item

# What applies to all frames stands in the first sequence, what applies to each in the second (PS3.3 C.7.6.16). What is
# said of the one frame comes last, and counts.
GROUP_SEQUENCES = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
# Pixel Value Transformation, Frame VOI LUT, Pixel Measures, Frame Anatomy, Patient Orientation in Frame, Frame Display
# Shutter and Frame Pixel Data Properties (PS3.3 C.7.6.16.2, C.8.19.6).
LIFTED = (
    "RescaleIntercept", "RescaleSlope", "ModalityLUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction",
    "VOILUTSequence", "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing",
    "EstimatedRadiographicMagnificationFactor", "PixelSpacingCalibrationType", "AnatomicRegionSequence",
    "ViewCodeSequence", "PatientOrientation", "ShutterShape", "ShutterLeftVerticalEdge", "ShutterRightVerticalEdge",
    "ShutterUpperHorizontalEdge", "ShutterLowerHorizontalEdge", "CenterOfCircularShutter", "RadiusOfCircularShutter",
    "VerticesOfThePolygonalShutter",
)  # fmt: skip
LIFTED_TAGS = frozenset(Tag(keyword) for keyword in LIFTED)


def lift_frame_values(dataset: Dataset) -> tuple[str, ...]:
    """Copies the first frame's values to the data set itself; returns `frame_values_differ` where both had one.

    A value of the frame takes the place of one that the data set had: enhanced objects keep theirs in the groups.
    """
    differ = False
    for sequence in GROUP_SEQUENCES:
        group = read_item(dataset, sequence)
        for element in _list_values(group):
            before = read_element(dataset, element.tag)
            if before is not None and not before.is_empty and before.value != element.value:
                differ = True
            dataset[element.tag] = element
    return ("frame_values_differ",) if differ else ()


def _list_values(group: Dataset | None) -> Iterator[DataElement]:
    """The elements of a group that are used: each macro of it is a sequence with one item."""
    if group is None:
        return
    for tag in list(group.keys()):
        macro = read_item(group, tag)
        if macro is None:
            continue
        for wanted in sorted(LIFTED_TAGS & set(macro.keys())):
            element = read_element(macro, wanted)
            if element is not None and not element.is_empty:
                yield element

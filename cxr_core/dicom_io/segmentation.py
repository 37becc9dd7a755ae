"""Makes the outlines of heart and lungs a Segmentation object on the stored pixels of the film."""

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from pydicom.sr.codedict import codes

from cxr_core.dicom_io import codes as terms
from cxr_core.dicom_io.origin import ResultOrigin
from cxr_core.presentation.wording import structure_name

SERIES_NUMBER = 9104


def build_segmentation(origin: ResultOrigin) -> Segmentation | None:
    """One segment for each structure that was found; None where there is none.

    A pixel belongs to a segment when its middle lies within the outline. Segments may overlap.
    """
    result = origin.report.examination.segmentation
    if result is None:
        return None
    masks = {
        name: origin.grid.mask_to_stored(mask)
        for name, mask in result.masks().items()
        if mask.any()
    }
    if not masks:
        return None
    algorithm = AlgorithmIdentificationSequence(
        name=result.model,
        version=result.version,
        family=codes.DCM.ArtificialIntelligence,
    )
    segments = [
        SegmentDescription(
            segment_number=number,
            segment_label=structure_name(name),
            segmented_property_category=terms.SEGMENT_CATEGORY,
            segmented_property_type=terms.SEGMENT_CODES[name],
            algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
        )
        for number, name in enumerate(masks, start=1)
    ]
    segmentation = Segmentation(
        source_images=[origin.source],
        pixel_array=np.stack(list(masks.values()), axis=-1)[None],
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        content_label="HEART_AND_LUNGS",
        content_description="Outlines of heart and lungs",
        **origin.describe_object(SERIES_NUMBER, "Heart and lungs"),
    )
    segmentation.PatientOrientation = (
        None  # type 2C, empty: it is that of the film, to whose pixels it belongs
    )
    return segmentation

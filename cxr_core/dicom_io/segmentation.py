"""Makes the outlines of heart and lungs a Segmentation object on the stored pixels of the film."""

import numpy as np
from highdicom import UID, AlgorithmIdentificationSequence
from highdicom.seg import (
    SegmentAlgorithmTypeValues,
    Segmentation,
    SegmentationTypeValues,
    SegmentDescription,
)
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from cxr_core.dicom_io import codes as terms
from cxr_core.dicom_io.origin import MAKER, ResultOrigin, describe_series
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
    version = origin.report.software_version
    segmentation = Segmentation(
        source_images=[origin.header.to_dataset()],
        pixel_array=np.stack(list(masks.values()), axis=-1)[None],
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        content_label="HEART_AND_LUNGS",
        content_description="Outlines of heart and lungs",
        series_instance_uid=UID(),
        series_number=SERIES_NUMBER,
        series_description=describe_series("Heart and lungs"),
        sop_instance_uid=UID(),
        instance_number=1,
        manufacturer=MAKER,
        manufacturer_model_name=MAKER,
        software_versions=version,
        device_serial_number=version,
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    segmentation.PatientOrientation = (
        None  # type 2C, empty: it is that of the film, to whose pixels it belongs
    )
    return segmentation

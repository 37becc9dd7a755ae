"""Makes the report an Encapsulated PDF (PS3.3 A.45.1)."""

from datetime import datetime

from pydicom.sr.codedict import codes
from pydicom.uid import EncapsulatedPDFStorage

from cxr_core.dicom_io.codes import describe_code
from cxr_core.dicom_io.encoding import Item
from cxr_core.dicom_io.origin import ResultOrigin
from cxr_core.reading.report.pdf import render_pdf_report

SERIES_NUMBER = 9103


def build_pdf_document(origin: ResultOrigin) -> Item:
    """The report of a film's reading as PDF within a DICOM object."""
    pdf = render_pdf_report(origin.report, picture=origin.picture)
    return {
        **origin.describe_object(EncapsulatedPDFStorage, "DOC", SERIES_NUMBER, "Report"),
        "ConversionType": "WSD",
        "BurnedInAnnotation": origin.header.texts.get("BurnedInAnnotation", "NO"),
        "AcquisitionDateTime": f"{datetime.now():%Y%m%d%H%M%S}",
        "SourceInstanceSequence": [origin.refer_to_source()],
        "DocumentTitle": "Report of a chest film",
        "ConceptNameCodeSequence": [describe_code(codes.DCM.ImagingMeasurementReport)],
        "MIMETypeOfEncapsulatedDocument": "application/pdf",
        "EncapsulatedDocument": pdf,
        "EncapsulatedDocumentLength": len(pdf),
    }

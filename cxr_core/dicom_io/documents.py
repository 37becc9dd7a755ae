"""Makes the report an Encapsulated PDF (PS3.3 A.45.1)."""

from datetime import datetime

from highdicom.base import SOPClass
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes
from pydicom.uid import EncapsulatedPDFStorage

from cxr_core.dicom_io.origin import ResultOrigin
from cxr_core.reading.report.pdf import render_pdf_report

SERIES_NUMBER = 9103


def build_pdf_document(origin: ResultOrigin) -> SOPClass:
    """The report of a film's reading as PDF within a DICOM object."""
    pdf = render_pdf_report(origin.report, picture=origin.picture)
    source = origin.source
    document = SOPClass(
        study_instance_uid=source.StudyInstanceUID,
        sop_class_uid=EncapsulatedPDFStorage,
        modality="DOC",
        specific_character_set=source.SpecificCharacterSet,
        **origin.describe_object(SERIES_NUMBER, "Report"),
    )
    document.copy_patient_and_study_information(source)
    document.ConversionType = "WSD"
    document.BurnedInAnnotation = origin.header.texts.get("BurnedInAnnotation", "NO")
    document.AcquisitionDateTime = datetime.now().strftime("%Y%m%d%H%M%S")
    document.SourceInstanceSequence = [origin.refer_to_film()]
    document.DocumentTitle = "Report of a chest film"
    document.ConceptNameCodeSequence = [CodedConcept.from_code(codes.DCM.ImagingMeasurementReport)]
    document.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    document.EncapsulatedDocumentLength = len(pdf)
    return document

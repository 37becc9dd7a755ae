"""Situations: view, part of the body and modality of DICOM."""

from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
)

from tests.film.situations.facts_files import code, read_as_sound, refuse


def utf8_in_a_code_string(text: str) -> str:
    """Text that the writer, which encodes code strings as Latin-1, writes as UTF-8."""
    return text.encode("utf-8").decode("latin-1")


VIEWS = (
    *(
        read_as_sound(f"View Position `{text}`", "Read as a PA film.", ViewPosition=text)
        for text in ("PA ERECT", "POSTERO-ANTERIOR", "P.A.", "CHEST PA", "DORSOVENTRAL")
    ),
    *(
        read_as_sound(f"View Position `{text}`", "Read as an AP film.", ViewPosition=text)
        for text in ("AP SUPINE", "AP_PORTABLE", "ANTERO-POSTERIOR", "A.-P.", "VENTRODORSAL")
    ),
    read_as_sound(
        "View Position `FRONTAL`",
        "Read; the view counts as unknown.",
        ViewPosition="FRONTAL",
    ),
    *(
        refuse(
            f"View Position `{text}`",
            "Not read: a lateral view.",
            "lateral view",
            ViewPosition=text,
        )
        for text in (
            "XTABLE LATERAL",
            "LATERAL LEFT",
            "L LAT",
            "LL",
            "RL",
            "SEITLICH",
            "PERFIL",
            "LLAT",
        )
    ),
    *(
        read_as_sound(
            f"View Position `{text}`",
            "Read, no call: a special view.",
            "special_view",
            ViewPosition=text,
        )
        for text in ("LLD", "RAO", "AP LORDOTIC", "AP AXIAL", "LEFT LATERAL DECUBITUS", "OBLIQUA")
    ),
    read_as_sound(
        "View Position with a word that is no view",
        "Read; asks for the view.",
        "unknown_view",
        ViewPosition="MEIER",
    ),
    read_as_sound(
        "No View Position, View Code Sequence says antero-posterior",
        "Read as an AP film.",
        ViewPosition=None,
        ViewCodeSequence=code("399348003", "antero-posterior"),
    ),
    refuse(
        "No View Position, View Code Sequence says left lateral",
        "Not read: a lateral view.",
        "lateral view",
        ViewPosition=None,
        ViewCodeSequence=code("399173006", "left lateral"),
    ),
    refuse(
        "No View Position, Patient Orientation `P\\F`",
        "Not read: a lateral view.",
        "lateral view",
        ViewPosition=None,
        PatientOrientation=["P", "F"],
    ),
    read_as_sound(
        "View Position `PA`, View Code Sequence left lateral",
        "Read, no call: the file contradicts itself.",
        "view_disagrees",
        ViewCodeSequence=code("399173006", "left lateral"),
    ),
    read_as_sound(
        "View Position `PA`, Patient Orientation `A\\F`",
        "Read, no call: the file contradicts itself.",
        "view_disagrees",
        PatientOrientation=["A", "F"],
    ),
    read_as_sound(
        "View Position `PA\\LAT`",
        "Read, no call: the file contradicts itself.",
        "view_disagrees",
        ViewPosition=["PA", "LAT"],
    ),
    read_as_sound(
        "View Position `PA`, View Code Sequence antero-posterior",
        "Read; the view counts as unknown.",
        "direction_disagrees",
        ViewCodeSequence=code("399348003", "antero-posterior"),
    ),
    read_as_sound(
        "No view, but a series described as `Chest Lat`",
        "Read, no call.",
        "described_otherwise",
        ViewPosition=None,
        SeriesDescription="Chest Lat",
    ),
)

PARTS = (
    *(
        read_as_sound(f"Body Part Examined `{text}`", "Read as a chest.", BodyPartExamined=text)
        for text in (
            "TÓRAX",
            "BRUSTKORB",
            "POITRINE",
            "CXR",
            "CHEST_PORTABLE",
            "THX",
            "LUNGS",
            "HEART",
        )
    ),
    read_as_sound(
        "Body Part Examined `TÓRAX` in UTF-8",
        "Read as a chest.",
        BodyPartExamined=utf8_in_a_code_string("TÓRAX"),
    ),
    read_as_sound(
        "Body Part Examined `RIBS`",
        "Read; check that it is a chest film.",
        "rib_film",
        BodyPartExamined="RIBS",
    ),
    *(
        read_as_sound(
            f"Body Part Examined `{text}`",
            "Read, no call: more than the chest.",
            "larger_region",
            BodyPartExamined=text,
        )
        for text in ("WHOLEBODY", "CHESTABDOMEN")
    ),
    read_as_sound(
        "Body Part Examined with a word that is no part",
        "Read; check that it is a chest film.",
        "unknown_body_part",
        BodyPartExamined="MEIER",
    ),
    *(
        refuse(
            f"Body Part Examined `{text}`",
            "Not read: another part of the body.",
            "not a chest",
            BodyPartExamined=text,
        )
        for text in ("HAND", "MANO", "THORACIC SPINE", "BRUSTBEIN")
    ),
    refuse(
        "No Body Part Examined, Anatomic Region Sequence says hand",
        "Not read: another part of the body.",
        "HAND, not a chest",
        BodyPartExamined=None,
        AnatomicRegionSequence=code("85562004", "Hand"),
    ),
    read_as_sound(
        "Body Part Examined `CHEST`, Anatomic Region Sequence hand",
        "Read, no call: the file contradicts itself.",
        "body_part_disagrees",
        AnatomicRegionSequence=code("85562004", "Hand"),
    ),
    read_as_sound(
        "Body Part Examined `HAND`, Anatomic Region Sequence chest",
        "Read, no call: the file contradicts itself.",
        "body_part_disagrees",
        BodyPartExamined="HAND",
        AnatomicRegionSequence=code("816094009", "Chest"),
    ),
)

MODALITIES = (
    read_as_sound(
        "A DX object without Modality",
        "Read: its SOP class says what it is.",
        Modality=None,
        BodyPartExamined=None,
    ),
    read_as_sound(
        "A CR object without Modality",
        "Read: its SOP class says what it is.",
        SOPClassUID=ComputedRadiographyImageStorage,
        Modality=None,
        BodyPartExamined=None,
    ),
    read_as_sound(
        "A radiofluoroscopy object with one frame, without Modality",
        "Read: its SOP class says what it is.",
        SOPClassUID=XRayRadiofluoroscopicImageStorage,
        Modality=None,
        BodyPartExamined=None,
    ),
    read_as_sound(
        "A DX object with Modality `OT`",
        "Read: its SOP class says what it is.",
        Modality="OT",
        BodyPartExamined=None,
    ),
    read_as_sound("A DX object with Modality `X-RAY`", "Read.", Modality="X-RAY"),
    read_as_sound(
        "A secondary capture of a chest, without Modality",
        "Read.",
        Modality=None,
        SOPClassUID=SecondaryCaptureImageStorage,
    ),
    refuse(
        "A secondary capture that names neither a modality nor a part",
        "Not read: nothing says that it is a radiograph.",
        "does not say that it is a radiograph",
        Modality=None,
        BodyPartExamined=None,
        SOPClassUID=SecondaryCaptureImageStorage,
    ),
    read_as_sound(
        "A secondary capture with Modality `OT` that names no part",
        "Read; check that it is a radiograph.",
        "unknown_modality",
        Modality="OT",
        BodyPartExamined=None,
        SOPClassUID=SecondaryCaptureImageStorage,
    ),
    read_as_sound(
        "Modality `DX`, written as a CT object",
        "Read, no call: the file contradicts itself.",
        "modality_disagrees",
        SOPClassUID=CTImageStorage,
    ),
    refuse(
        "Modality `CT`, written as a DX object",
        "Not read: no radiograph.",
        "modality is CT",
        Modality="CT",
    ),
    refuse(
        "A CT object without Modality",
        "Not read: no radiograph.",
        "modality is CT",
        Modality=None,
        SOPClassUID=CTImageStorage,
    ),
    refuse(
        "An angiography object without Modality",
        "Not read: no radiograph.",
        "modality is XA",
        Modality=None,
        SOPClassUID=XRayAngiographicImageStorage,
    ),
    read_as_sound(
        "Presentation Intent Type `FOR PROCESSING`",
        "Read, no call: not made to be looked at.",
        "unprocessed",
        PresentationIntentType="FOR PROCESSING",
    ),
    read_as_sound(
        "A DX object for processing without Presentation Intent Type",
        "Read, no call: not made to be looked at.",
        "unprocessed",
        PresentationIntentType=None,
        SOPClassUID=DigitalXRayImageStorageForProcessing,
    ),
)

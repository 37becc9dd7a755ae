"""Names every code that the objects use, with what it stands for; docs/dicom.md lists them.

A code comes from pydicom's dictionaries of the standard where they have it, and from SNOMED CT otherwise. What neither
names is in the program's own scheme, whose code is the word that JSON uses for the same thing.
"""

from collections.abc import Iterator

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from cxr_core.findings import FINDINGS
from cxr_core.reading.results import FindingReading

OWN_SCHEME = "99CXR"
MEANING_LENGTH = 64  # characters of a code's meaning (LO, PS3.5 6.2)


def own_code(value: str, meaning: str) -> Code:
    """A code of the program's own scheme; a long meaning is cut."""
    return Code(value, OWN_SCHEME, meaning[:MEANING_LENGTH])


# Of findings by their key. DICOM's own list for chest films (CID 6104) has infiltrate, mass and nodule. Pleural
# thickening has no code that could be looked up, and is in the program's own scheme.
FINDING_CODES: dict[str, Code] = {
    "cardiomegaly": Code("8186001", "SCT", "Cardiomegaly"),
    "pneumonia": Code("233604007", "SCT", "Pneumonia"),
    "atelectasis": Code("46621007", "SCT", "Atelectasis"),
    "effusion": codes.SCT.PleuralEffusion,
    "infiltration": codes.DCM.Infiltrate,
    "mass": codes.SCT.Mass,
    "nodule": codes.SCT.Nodule,
    "pneumothorax": codes.SCT.Pneumothorax,
    "consolidation": Code("95436008", "SCT", "Lung consolidation"),
    "edema": codes.SCT.PulmonaryEdema,
    "emphysema": Code("87433001", "SCT", "Pulmonary emphysema"),
    "fibrosis": Code("51615001", "SCT", "Pulmonary fibrosis"),
    "hernia": Code("39839004", "SCT", "Diaphragmatic hernia"),
    "abnormality": Code("168734001", "SCT", "Standard chest X-ray abnormal"),
}
CALL_CODES: dict[str | None, Code] = {
    "present": codes.SCT.Present,
    "absent": codes.SCT.Absent,
    "indeterminate": codes.SCT.Undetermined,
    None: own_code("not_assessed", "Not assessed"),
}
PROCEDURE = Code("399208008", "SCT", "Plain chest X-ray")
PROBABILITY = codes.DCM.Probability
RATIO = own_code("cardiothoracic_ratio", "Cardiothoracic ratio")
DIAMETER, HEART, THORAX = codes.SCT.Diameter, codes.SCT.Heart, codes.SCT.Thorax
TRANSVERSE = own_code("transverse", "Horizontal distance between the end points")
SET_BY_HAND = codes.DCM.UserChosenValue
VERDICT = own_code("verdict", "Verdict by the named decision")
PREVALENCE = own_code("prevalence", "Prevalence at which the probability holds")
TRUSTED = own_code("trusted", "Measurement without a reason against it")
YES, NO = codes.SCT.Yes, codes.SCT.No
SUMMARY = own_code("summary", "Summary of a reading by the program")
NOT_ASSESSED = own_code("not_assessed", "Not assessed")
IMPRESSION, COMMENT = codes.DCM.Impression, codes.DCM.Comment
IMAGE_QUALITY = codes.DCM.ImageQuality
QUALITY_FLAG = own_code("quality_flag", "Quality flag")
SITE_PROFILE = own_code("site_profile", "Profile of the site")
SEGMENT_CATEGORY = codes.SCT.AnatomicalStructure
SEGMENT_CODES: dict[str, Code] = {
    "heart": codes.SCT.Heart,
    "left_lung": Code("44029006", "SCT", "Left lung"),
    "right_lung": Code("3341006", "SCT", "Right lung"),
}
NO_UNIT, MILLIMETRE, PIXEL = (
    codes.UCUM.NoUnits,
    codes.UCUM.Millimeter,
    Code("{pixels}", "UCUM", "Pixels"),
)


def find_finding_code(finding: FindingReading) -> Code:
    """The code of a finding: the standard's for one that ships, the program's own for one that a site defines."""
    if finding.definition is not None or finding.finding not in FINDINGS:
        return own_code(finding.finding, finding.name)
    return name_finding(finding.finding)


def name_finding(key: str) -> Code:
    """The code of a finding that ships."""
    return FINDING_CODES.get(key) or own_code(key, FINDINGS[key].name)


def describe_scheme() -> CodingSchemeIdentificationItem:
    """What objects say of the program's own scheme."""
    return CodingSchemeIdentificationItem(
        OWN_SCHEME, name="Codes of Silhouette", responsible_organization="Silhouette"
    )


def list_codes() -> Iterator[tuple[str, Code]]:
    """Every code with what it is used for, as docs/dicom.md lists them; flags and findings of a site are not here."""
    yield "procedure", PROCEDURE
    for key in FINDINGS:
        yield f"finding `{key}`", name_finding(key)
    yield "verdict", VERDICT
    for call, code in CALL_CODES.items():
        yield f"verdict `{call}`" if call else "no verdict, with the reason", code
    yield "probability", PROBABILITY
    yield "prevalence", PREVALENCE
    yield "profile of the site", SITE_PROFILE
    yield "cardiothoracic ratio", RATIO
    yield "diameter of heart or thorax", DIAMETER
    yield "site of a diameter, and segment", HEART
    yield "site of a diameter", THORAX
    yield "how a diameter is measured", TRANSVERSE
    yield "ends set by hand", SET_BY_HAND
    yield "whether the measurement is trusted", TRUSTED
    yield "trusted", YES
    yield "not trusted", NO
    yield "group with impression and remarks", SUMMARY
    yield "impression", IMPRESSION
    yield "remark, reason or caution", COMMENT
    yield "what was not looked for", NOT_ASSESSED
    yield "group with quality flags", IMAGE_QUALITY
    yield "quality flag; its value is the flag's own code", QUALITY_FLAG
    yield "category of a segment", SEGMENT_CATEGORY
    yield "segment `left_lung`", SEGMENT_CODES["left_lung"]
    yield "segment `right_lung`", SEGMENT_CODES["right_lung"]
    yield "unit of ratios, probabilities and shares", NO_UNIT
    yield "unit of a diameter with a plausible spacing", MILLIMETRE
    yield "unit of a diameter without one", PIXEL

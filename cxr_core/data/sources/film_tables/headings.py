"""Names the columns that a table of films may have. Headings are compared in lower case, letters and digits only."""

IMAGE_HEADINGS = (
    "image",
    "file",
    "path",
    "filename",
    "imagepath",
    "filepath",
    "imagefile",
    "imagefilename",
    "imagename",
    "imageindex",
    "imageid",
    "xrayimagename",
    "img",
    "imgpath",
    "dicom",
    "dicompath",
    "dicomfile",
    "dicomid",
    "pngpath",
    "jpgpath",
    "jpegpath",
    "imagefilepath",
    "fullpath",
    "imgname",
    "imgfile",
    "imgid",
)
# Columns that say what a film shows, whatever stands in them.
FINDING_HEADINGS = ("findinglabels", "findinglabel", "labels", "label", "findings", "finding")
# Columns that do so where at least one cell names a finding. `problems` comes before OpenI's `findings`, a free text.
POSSIBLE_FINDING_HEADINGS = (
    "problems",
    "classname",
    "class",
    "diagnosis",
    "diagnoses",
    "pathology",
    "pathologies",
    "disease",
    "variable",
)
# Beside a column of findings: whether the finding is there, as pandas.melt writes it.
VALUE_HEADINGS = ("value", "present", "presence", "positive", "label", "target", "state", "status")
PATIENT_HEADINGS = (
    "patientid",
    "patient",
    "subjectid",
    "subject",
    "patientnumber",
    "patientno",
    "pid",
)
# OpenI numbers its examinations `uid`.
STUDY_HEADINGS = (
    "studyid",
    "study",
    "uid",
    "studyinstanceuid",
    "studyuid",
    "examid",
    "examinationid",
    "accessionnumber",
)
SPLIT_HEADINGS = (
    "split",
    "part",
    "partition",
    "subset",
    "set",
    "datasettype",
    "datasetsplit",
    "splitname",
    "traintest",
    "trainvaltest",
)
VIEW_HEADINGS = (
    "viewposition",
    "view",
    "projection",
    "appa",
    "frontallateral",
    "viewpositiondicom",
    "viewname",
    "viewtype",
    "viewcodesequencecodemeaning",
)
AGE_HEADINGS = ("patientage", "age", "ageyears", "ageinyears")
BIRTH_HEADINGS = ("patientbirth", "patientbirthdate", "birthdate", "birthyear", "yearofbirth")
STUDY_DATE_HEADINGS = ("studydate", "studydatedicom", "acquisitiondate")
SEX_HEADINGS = ("patientsex", "patientgender", "sex", "gender", "patientsexdicom")
READER_HEADINGS = (
    "radid",
    "readerid",
    "reader",
    "radiologist",
    "radiologistid",
    "rater",
    "raterid",
    "annotator",
    "annotatorid",
)
# Left, top, and either width and height or right and bottom.
BOX_HEADINGS = (
    ("x", "y", "width", "height"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "width", "height"),
)
# A competition's template for answers, which says nothing about the films.
ANSWER_HEADING = "predictionstring"

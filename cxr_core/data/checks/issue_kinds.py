"""The catalogue of dataset issues: how severe each kind is, what it is called, and what to do about it.

A blocking issue stops training until a person decides, on record, to exclude the films it names or to accept it.
"""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["blocking", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("blocking", "warning", "note")


@dataclass(frozen=True)
class IssueKind:
    """What all issues of one code share.

    title: a heading.  remedy: what to do, in a sentence.  unit: what is counted, in the plural.
    """

    severity: Severity
    title: str
    remedy: str
    unit: str = "films"


_REPORT_BY_GROUP = (
    "Report figures for each group separately; balance or match the groups before training."
)

_TABLE_ISSUES = {
    "byte_order_mark": IssueKind("note", "Byte-order mark", "Nothing: it was skipped.", "files"),
    "unnamed_columns": IssueKind(
        "note", "Columns without a name", "Nothing: they were left out.", "columns"
    ),
    "other_encoding": IssueKind(
        "warning",
        "Tables that are not in UTF-8",
        "Save them as UTF-8; until then check names and labels with accents.",
        "files",
    ),
    "patient_spellings": IssueKind(
        "note",
        "Patients in several spellings",
        "Nothing: each counts as one patient; where they are different ones, correct the table.",
        "patients",
    ),
    "duplicate_rows": IssueKind(
        "warning", "Repeated rows", "Remove the repeats; the first of each was used.", "rows"
    ),
    "contradictory_rows": IssueKind(
        "blocking", "Rows that contradict each other", "Correct the table, or exclude the films."
    ),
    "unknown_label": IssueKind(
        "blocking",
        "Unknown labels",
        "Map the label to a finding, correct it, or exclude the films.",
    ),
    "unknown_columns": IssueKind(
        "warning",
        "Label columns of no known finding",
        "Map each column to a finding, or to ignore; until then they are not used.",
        "columns",
    ),
    "unused_mapping": IssueKind(
        "warning",
        "Mapped labels that the data no longer have",
        "Take them out of the mapping, or correct the table.",
        "labels",
    ),
    "label_alias": IssueKind(
        "note",
        "Labels under another name",
        "Nothing: they were read as the finding they mean.",
        "labels",
    ),
    "no_labels": IssueKind(
        "warning",
        "No finding has labels",
        "Add a label column to train or evaluate on these films.",
    ),
    "impossible_age": IssueKind(
        "warning", "Impossible ages", "Correct the table; these ages count as unknown."
    ),
    "unknown_value": IssueKind(
        "note", "Values that were not understood", "Nothing: they count as unknown."
    ),
    "joined_rows": IssueKind(
        "note",
        "Several rows about one film",
        "Nothing: the rows were joined, and a finding counts that any of them names.",
        "rows",
    ),
    "readers_disagree": IssueKind(
        "note",
        "Readers who disagree",
        "Nothing: the majority's label was used; where there is none, the label is unknown.",
    ),
    "boxes_left_out": IssueKind(
        "note",
        "Boxes that were not kept",
        "Nothing: the labels were used; boxes are kept where the size of the film is known.",
        "rows",
    ),
    "joined_tables": IssueKind(
        "note",
        "Tables that were joined",
        "Nothing, where the tables describe the same films.",
        "tables",
    ),
    "unused_tables": IssueKind(
        "note",
        "Tables that were not used",
        "Nothing, where they do not describe the films.",
        "tables",
    ),
    "follow_up_differs": IssueKind(
        "note",
        "Follow-up numbers that differ from the file name",
        "Nothing: films are joined on the file name.",
        "rows",
    ),
    "text_mined_labels": IssueKind(
        "note",
        "Labels mined from reports",
        "Read every figure with the errors of the labels in mind.",
    ),
    "radiologists_labels": IssueKind(
        "note",
        "Labels by radiologists instead of mined ones",
        "Nothing: mined labels of that finding are not used beside them.",
    ),
    "label_layer": IssueKind(
        "note",
        "Labels that readers decided beside the data",
        "Nothing: they are used where a run or an evaluation names the layer (--labels).",
    ),
    "population_unstated": IssueKind(
        "note", "Patients of unknown age", "State the population in the model's card."
    ),
}

_FILE_ISSUES = {
    "missing_images": IssueKind(
        "warning", "Listed images that are missing", "Copy them, or continue with the rest."
    ),
    "name_spellings": IssueKind(
        "note",
        "File names spelled otherwise in the table",
        "Nothing: the films were found.",
    ),
    "unusable_names": IssueKind(
        "warning",
        "Files whose names are not UTF-8",
        "Rename them, with convmv for instance; until then they are not used.",
        "files",
    ),
    "lateral_views": IssueKind(
        "note", "Lateral views", "Nothing: they are left out, as only frontal films are used."
    ),
    "other_views": IssueKind(
        "note",
        "Other views than frontal ones",
        "Nothing: they are left out, as only frontal films of the chest are used.",
    ),
    "contradictory_views": IssueKind(
        "warning",
        "Films called frontal in one place and lateral in another",
        "Correct the table to use them; until then they are left out.",
    ),
    "outside_classes": IssueKind(
        "warning",
        "Images in no class folder",
        "Move them into a folder named after what they show, or leave them: they are not used.",
        "files",
    ),
    "surplus_images": IssueKind(
        "warning",
        "Images that no table lists",
        "List them, or leave them: they are not used.",
        "files",
    ),
    "same_name_twice": IssueKind(
        "warning", "One file name in several folders", "Remove one; the first folder's was used."
    ),
    "unreadable": IssueKind(
        "warning",
        "Images that cannot be read",
        "Copy them again; they are quarantined and not used.",
    ),
    "unsuitable": IssueKind(
        "warning",
        "Images that are no frontal chest film",
        "Look at them; exclude those that are not frontal chest films.",
    ),
    "no_call": IssueKind(
        "warning",
        "Films whose files leave doubts",
        "Look at them; exclude those that are not plain frontal chest films.",
    ),
    "inverted": IssueKind(
        "warning", "Films that seem inverted", "Look at them; invert or exclude them."
    ),
    "turned": IssueKind("warning", "Films that seem turned", "Look at them; turn or exclude them."),
    "mirrored": IssueKind(
        "warning", "Films that seem mirrored", "Look at them; many only have a central heart."
    ),
    "burned_in_text": IssueKind(
        "warning",
        "Films that seem to hold text",
        "Look at them before you keep or share them; exclude or mask those that name a patient.",
    ),
    "photographed": IssueKind(
        "warning",
        "Films that seem photographed",
        "Use the original files, or exclude them.",
    ),
    "screenshot": IssueKind(
        "warning",
        "Films that seem to be screenshots",
        "Export the films themselves, or exclude them.",
    ),
    "same_picture": IssueKind("warning", "Identical images", "Nothing: training uses one of each."),
    "same_picture_two_labels": IssueKind(
        "warning",
        "Identical images with different labels",
        "Find out which label is right, or exclude both.",
    ),
    "near_duplicates": IssueKind(
        "note",
        "Nearly identical films of one patient",
        "Look at them; exclude the copies where one exposure was saved twice.",
    ),
    "near_duplicates_two_patients": IssueKind(
        "warning",
        "Nearly identical films of different patients",
        "Look at them side by side; correct the patient, or exclude the copies, which a split may part.",
    ),
    "swapped_masks": IssueKind(
        "warning",
        "Masks of another structure than their folder says",
        "Correct them; no segmenter is trained on them.",
    ),
}

_SPLIT_ISSUES = {
    "patient_unknown": IssueKind(
        "warning",
        "Films of unknown patients",
        "Name the patient in a column or in the path; until then each film counts as a patient of its own.",
    ),
    "patients_from_paths": IssueKind(
        "note",
        "Patients known by the films' paths",
        "Nothing, where the numbers in the paths are the patients'.",
    ),
    "patients_from_studies": IssueKind(
        "warning",
        "Films whose study is known, but not their patient",
        "Add a patient column: two studies of one patient count as two patients.",
    ),
    "patients_scoped": IssueKind(
        "warning",
        "Patient numbers that occur in several splits",
        "They count as different patients; check this if you can.",
        "patients",
    ),
    "patient_in_two_parts": IssueKind(
        "blocking",
        "A patient in two splits",
        "Exclude their training films, or split the data again by ratios.",
        "patients",
    ),
    "same_picture_two_parts": IssueKind(
        "blocking",
        "The same image in two splits",
        "Exclude the training copy, or split the data again by ratios.",
    ),
    "near_duplicates_two_splits": IssueKind(
        "blocking",
        "Nearly identical films in two splits",
        "Look at them side by side; exclude the training copies, or split the data again by ratios.",
    ),
    "small_validation": IssueKind(
        "warning",
        "A validation split too small to use",
        "Nothing: it is pooled with train, and a new validation split is carved.",
    ),
    "no_split": IssueKind(
        "note", "No split is given", "Nothing: the films are split by patient when a run needs it."
    ),
    "splits_from_paths": IssueKind(
        "note",
        "The folders' names give the split",
        "Nothing, where they are the data's own splits.",
    ),
    "not_in_split": IssueKind(
        "warning",
        "Films that no split list names",
        "Complete the lists; these films count as training.",
    ),
    "no_positives": IssueKind(
        "warning",
        "A finding without positives in a split",
        "It can be neither trained nor measured there.",
        "findings",
    ),
    "no_negatives": IssueKind(
        "warning",
        "A finding without negatives in a split",
        "It can be neither trained nor measured there.",
        "findings",
    ),
}

_SHORTCUT_ISSUES = {
    "prevalence_shift": IssueKind(
        "warning",
        "A finding is more frequent in one split",
        "Expect calibration to shift; recalibrate before use.",
        "findings",
    ),
    "mixed_views": IssueKind(
        "note", "Films of both views", "Report figures for PA and AP separately."
    ),
    "mixed_resolution": IssueKind(
        "note", "Films of several sizes", "Augment resolution, so that size does not become a cue."
    ),
    "resolution_with_label": IssueKind(
        "warning", "Resolution is associated with a label", _REPORT_BY_GROUP, "findings"
    ),
    "bits_with_label": IssueKind(
        "warning", "Bit depth is associated with a label", _REPORT_BY_GROUP, "findings"
    ),
    "view_with_label": IssueKind(
        "warning", "The view is associated with a label", _REPORT_BY_GROUP, "findings"
    ),
    "age_with_label": IssueKind(
        "warning", "Age is associated with a label", _REPORT_BY_GROUP, "findings"
    ),
    "sex_with_label": IssueKind(
        "warning", "Sex is associated with a label", _REPORT_BY_GROUP, "findings"
    ),
    "source_with_label": IssueKind(
        "warning", "The source is associated with a label", _REPORT_BY_GROUP, "findings"
    ),
}

ISSUES: dict[str, IssueKind] = {
    **_TABLE_ISSUES,
    **_FILE_ISSUES,
    **_SPLIT_ISSUES,
    **_SHORTCUT_ISSUES,
}

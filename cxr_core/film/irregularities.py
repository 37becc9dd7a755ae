"""Lists what a decoder may have had to correct in a file, or could not trust: a code, and a sentence for people.

A decoder puts codes into `Radiograph.irregularities`; `quality.py` turns them into quality flags.
"""

from cxr_core.film.quality_flag import QualityFlag

IRREGULARITIES: dict[str, QualityFlag] = {
    flag.code: flag
    for flag in (
        QualityFlag(
            "lut_depth",
            "A grey table of this file has another depth than it says. It was scaled by the values that it reaches; "
            "compare the film with the one on your workstation.",
        ),
        QualityFlag(
            "lut_length",
            "A grey table of this file has another number of entries than it says. The entries that are there were "
            "used; compare the film with the one on your workstation.",
        ),
        QualityFlag(
            "stored_depth",
            "The pixels of this file do not fit the number of bits that it says they have. The grey values were taken "
            "from the pixels; compare the film with the one on your workstation.",
        ),
        QualityFlag(
            "wide_window",
            "The window of this file is far wider than the film's own values, or lies beside them; the film is shown "
            "nearly in one grey. Set the window on your workstation and export the film again.",
        ),
        QualityFlag(
            "outlying_values",
            "Some pixels, such as a marker or a fill, lie far outside all others. The grey values were taken from the "
            "others; compare the film with the one on your workstation.",
        ),
        QualityFlag(
            "stream_depth",
            "The compressed pixels have fewer bits than the file says. Black and white were taken from the compressed "
            "pixels; compare the film with the one on your workstation.",
        ),
        QualityFlag(
            "pixel_sign",
            "The file and its pixels disagree on whether values may be negative. The smoother picture was "
            "taken; compare the film with the one on your workstation.",
        ),
        QualityFlag(
            "colour_form",
            "The file and its pixels disagree on whether the film is grey or in colour. The pixels were taken at their "
            "word; compare the film with the one on your workstation.",
        ),
        QualityFlag(
            "compression",
            "The file and its pixels disagree on whether they are compressed. The pixels were taken at their word; "
            "compare the film with the one on your workstation.",
        ),
        QualityFlag(
            "torn_picture",
            "The brightness jumps along a row of this JPEG's blocks, as it does when a copy is damaged. "
            "Export the film again.",
            withholds_call=True,
        ),
        QualityFlag(
            "zeros_behind_pixels",
            "Bytes without meaning follow the pixels, as when a copy has gone wrong. Compare the film with the one on "
            "your workstation, above all for parts that are shifted.",
        ),
        QualityFlag(
            "modality_disagrees",
            "The file names a kind of radiograph as its modality, but is written as another kind of object, such as a "
            "CT slice. Check that it is a radiograph; if so, export it as PNG.",
            withholds_call=True,
        ),
        QualityFlag(
            "view_disagrees",
            "The file says in one place that this is a frontal view, and in another that it is a lateral one. Only "
            "frontal films are read. If it is one, export it as PNG.",
            withholds_call=True,
        ),
        QualityFlag(
            "direction_disagrees",
            "The file says in one place that this is a PA film, and in another that it is an AP one. Its view counts "
            "as unknown unless you enter it.",
        ),
        QualityFlag(
            "special_view",
            "The file says this is an oblique, decubitus, lordotic or other special view. The models have learnt from "
            "plain PA and AP films. If it is one, export it as PNG.",
            withholds_call=True,
        ),
        QualityFlag(
            "unknown_view",
            "The file names a view that this program does not know. Check that the film is a frontal one. Its "
            "view counts as unknown unless you enter it.",
        ),
        QualityFlag(
            "described_otherwise",
            "The description in the file names another view than a frontal one, or another part of the body. If this "
            "is a frontal chest film, export it as PNG.",
            withholds_call=True,
        ),
        QualityFlag(
            "body_part_disagrees",
            "The file says in one place that it shows the chest, and in another that it shows another part of the "
            "body. If it is a chest film, export it as PNG.",
            withholds_call=True,
        ),
        QualityFlag(
            "unknown_body_part",
            "The file names a part of the body that this program does not know. Check that it is a chest film.",
        ),
        QualityFlag(
            "rib_film",
            "The file says it shows the ribs. Such films are often exposed for bone, or show half of the chest: check "
            "that this is a chest film, and interpret with caution.",
        ),
        QualityFlag(
            "larger_region",
            "The file says it shows more than the chest. The models have learnt from films of the chest alone: cut the "
            "film to the chest, or, if it shows no more, export it as PNG.",
            withholds_call=True,
        ),
        QualityFlag(
            "unprocessed",
            "The file holds the detector's own values, which its maker calls for processing. The models have learnt "
            "from films as they are displayed: export the film for presentation.",
            withholds_call=True,
        ),
        QualityFlag(
            "set_upright",
            "The film is stored mirrored or turned, as its patient orientation says, and was set upright. Check its "
            "side marker.",
        ),
        QualityFlag(
            "shutter_ignored",
            "The display shutter of this file cannot be right, and was ignored. Parts of the film may be visible that "
            "your workstation hides.",
        ),
        QualityFlag(
            "frame_values_differ",
            "The file states a value twice, for the file and for its picture, and they differ. The picture's was used; "
            "compare the film with the one on your workstation.",
        ),
        QualityFlag(
            "implausible_spacing",
            "With the pixel spacing that the file states, the chest would be smaller or larger than any. Lengths are "
            "given in pixels. Check that the age is right: a child's chest may be as narrow.",
        ),
        QualityFlag(
            "impossible_age",
            "The age in this file is impossible, or its date of birth is. The age counts as unknown unless you enter "
            "it. Check that this is the right patient.",
        ),
        QualityFlag(
            "tinted",
            "The film has a tint, such as blue or sepia. Its grey was taken from the brightness of the colours; use "
            "the original without a tint if you have it.",
        ),
        QualityFlag(
            "coloured_marks",
            "There are coloured marks on the film, such as an arrow or letters. The models take them for a part of the "
            "film: use the original without them if you have it.",
        ),
    )
}

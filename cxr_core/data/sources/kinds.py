"""Names the kinds of dataset sources, for commands that do not import the sources before their arguments are parsed."""

KINDS = ("csv", "dicom", "folder", "nih14")  # the keys of SOURCES in detect.py

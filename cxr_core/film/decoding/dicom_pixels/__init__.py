"""The pixels of a DICOM file: where they lie in it, the codecs, and the values in their cells."""

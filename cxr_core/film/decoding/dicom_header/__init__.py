"""Reads what a DICOM header says about a film: view, part of the body, modality, spacing, what is shown and how."""

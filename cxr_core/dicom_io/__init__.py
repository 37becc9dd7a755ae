"""Results as DICOM objects: a structured report, a key image, the report as PDF, and heart and lungs as segments."""

"""Measures how much answers move when the film changes and the patient does not."""

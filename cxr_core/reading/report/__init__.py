"""Writes a reading as a report to keep: one JSON object, or one HTML page that needs nothing else."""

"""An evaluation as a page to keep."""

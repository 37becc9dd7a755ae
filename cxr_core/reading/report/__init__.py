"""A reading as a page to keep."""

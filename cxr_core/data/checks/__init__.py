"""What speaks against a dataset before anything learns from it."""

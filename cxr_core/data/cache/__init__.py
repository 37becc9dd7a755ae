"""Every film of a dataset, decoded once."""

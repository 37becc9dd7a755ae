"""The pixel cache: every film of a dataset, decoded once."""

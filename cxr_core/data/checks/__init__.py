"""The dataset checks: what speaks against a dataset before a model is trained on it."""

"""Cross-validation: the held-out predictions of all folds as one evaluation."""

"""Splits films into train, val, test and the promotion holdout, by patient."""

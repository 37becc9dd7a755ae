"""Fits calibrations and thresholds on validation films, for training; reading never needs it."""

"""Intervals: patients are resampled, not films."""

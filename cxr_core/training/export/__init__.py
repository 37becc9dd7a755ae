"""Writes trained networks as model folders: calibration, thresholds, cards, ensembles, fusion."""

"""Evaluates how far heatmaps can be trusted as explanations."""

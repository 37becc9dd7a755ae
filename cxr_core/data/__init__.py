"""Datasets: sources, dataset checks, splits, the pixel cache and the loader."""

"""Evaluations on disk: written, listed and read back."""

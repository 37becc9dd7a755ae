"""Trains models from recipes: engine, tasks, export, run folders and sweeps."""

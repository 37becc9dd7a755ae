"""Decides whether a model may replace the active version: a paired comparison on patients new to both."""

"""Renders evaluations as self-contained HTML pages."""

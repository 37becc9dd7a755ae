"""Draws an evaluation: each chart takes computed values and gives a Plotly figure."""

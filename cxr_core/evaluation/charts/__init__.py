"""Figures drawn: each chart takes computed values and returns a Plotly figure."""

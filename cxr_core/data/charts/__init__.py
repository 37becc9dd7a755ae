"""A dataset's numbers as Plotly figures that filter one another."""

"""How far heatmaps can be believed."""

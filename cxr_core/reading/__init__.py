"""Reads films: probabilities, heatmaps, the cardiothoracic ratio, and reports of them."""

"""Measures the cardiothoracic ratio: contours, diameters, and its part in a finding's probability."""

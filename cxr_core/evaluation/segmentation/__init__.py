"""Evaluates contours and the cardiothoracic ratio against masks, recorded ratios and labels."""

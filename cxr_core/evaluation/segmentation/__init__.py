"""Contours and the cardiothoracic ratio against masks and labels."""

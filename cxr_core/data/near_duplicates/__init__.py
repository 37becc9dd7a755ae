"""Finds films that are copies of one another in another size, container, cut or brightness."""

"""Several runs as one study: seeds and grids."""

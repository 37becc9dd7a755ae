"""Several runs as one study: grids and seeds."""

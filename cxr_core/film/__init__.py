"""Films: decoding, quality checks, preprocessing, and synthetic phantoms."""

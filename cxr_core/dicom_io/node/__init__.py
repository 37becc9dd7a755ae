"""The receiving node: films that a hospital's machines send are read, and their results sent to its archive."""

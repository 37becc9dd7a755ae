"""Takes a finished run to the active version: comparison, the verdict of the gate, publication."""

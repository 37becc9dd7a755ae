"""From a finished run to the active version: comparison with the present one, the gate's verdict, publication."""

"""From the bytes of a file to a film, in a process of its own."""

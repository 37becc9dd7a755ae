"""Tries an imported model on drawings, in a process of its own."""

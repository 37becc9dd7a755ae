"""The tabs of the Evaluate page, a module for each."""

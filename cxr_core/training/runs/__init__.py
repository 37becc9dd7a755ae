"""Run folders: what a run writes, read back as progress, comparison and charts."""

"""Run folders: files, events, progress, figures, comparison and charts."""

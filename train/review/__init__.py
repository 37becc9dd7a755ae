"""Readers' verdicts in a shell: projects, the review queue, label layers, agreement."""

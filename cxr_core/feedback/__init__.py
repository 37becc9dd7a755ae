"""Readers' verdicts, projects of films, the review queue, and what becomes of them: labels and figures."""

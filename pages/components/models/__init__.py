"""Installed models on the page: their versions, cards, verdicts and history."""

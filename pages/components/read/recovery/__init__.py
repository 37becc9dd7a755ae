"""Brings films back after a slip: what was removed, and the study of a reloaded tab."""

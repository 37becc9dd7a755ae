"""Verbs of `python -m cxr_core` that train nothing; `python -m train.NAME` has the others."""

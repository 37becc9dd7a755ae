"""Figures of a model's answers, each a pure function of outputs and labels."""

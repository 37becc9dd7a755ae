"""Whether a model may replace another: a paired comparison on holdout patients."""

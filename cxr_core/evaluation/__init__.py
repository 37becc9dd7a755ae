"""How good a model is: figures with their intervals, comparisons, charts and reports."""

"""Your site: acceptance of a model on a hospital's own films, recalibration, local decisions, and watching."""

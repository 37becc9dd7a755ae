"""Training, validation, test and holdout, divided by patient."""

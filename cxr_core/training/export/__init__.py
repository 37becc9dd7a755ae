"""From a finished run to a model folder: calibration, decisions, card."""

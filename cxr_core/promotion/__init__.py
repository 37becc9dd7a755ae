"""From a finished run to the active model, through the gate."""

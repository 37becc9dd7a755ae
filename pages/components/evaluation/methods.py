"""Names and describes the methods of recalibration."""

METHODS = {
    "line": "Slope and intercept",
    "site": "Slope and intercept, for few films",
    "temperature": "Temperature",
    "prior": "Prior shift",
}
METHOD_HELP = {
    "line": "Log-odds are scaled and shifted. Corrects most miscalibration, and needs the most positive films.",
    "site": "The same, drawn towards no change, so that few films move little: as a site is recalibrated.",
    "temperature": "Log-odds are divided by one number. Corrects probabilities that are too extreme or too timid.",
    "prior": "Odds are adjusted to a finding that is rarer or more frequent here than where the model was calibrated.",
}

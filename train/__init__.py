"""The training commands, one verb each, and the recipes."""

"""The form that starts a run: its data, recipe, fields and previews."""

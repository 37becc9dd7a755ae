"""Recipes: their fields, TOML files, forms and documentation."""

"""Reads datasets as they come: folders, tables and lists in several layouts."""

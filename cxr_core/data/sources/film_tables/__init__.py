"""What tables of films have in common: their columns, several rows about one film, several tables of one dataset."""

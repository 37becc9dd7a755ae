"""Readers' verdicts on the Read page: given, kept in a project, and before the program's answer if so chosen."""

"""Who may do what, and the record of who did it: roles, API keys of programs, the audit log."""

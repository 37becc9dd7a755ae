"""Commands of who may use the service, and of what was recorded."""

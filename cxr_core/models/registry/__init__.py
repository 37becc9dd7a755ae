"""Which models are installed, and which version of each is active."""

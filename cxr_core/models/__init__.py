"""Models on disk and in memory: cards, folders, networks, and the registry of installed models."""

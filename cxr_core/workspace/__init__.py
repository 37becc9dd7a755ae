"""Files on disk and processes: atomic writes, JSON, hashes, locks, child processes, and where the workspace is."""

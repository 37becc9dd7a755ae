"""What is kept on disk: where it lies, files and folders that appear complete or not at all, JSON lines, hashes."""

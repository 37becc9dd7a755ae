"""The review queue: which films are worth a reader's time, in which order, and who reads which one next."""

"""Background jobs: queued, started, watched and ended, without torch."""

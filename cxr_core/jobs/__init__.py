"""Training runs and evaluations as background jobs: their queue, processes and status. Nothing here loads torch."""

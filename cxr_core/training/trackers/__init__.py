"""Writes a run's numbers and settings for programs that compare runs: TensorBoard, and MLflow where it is asked for."""

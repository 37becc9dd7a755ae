"""The parts of the Data page: adding a dataset, what the doctor says of it, its numbers and its films."""

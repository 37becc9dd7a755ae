"""A recipe holds every choice of a training run and checks itself."""

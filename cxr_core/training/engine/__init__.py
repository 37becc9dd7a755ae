"""The training loop and what it needs: data order, checkpoints, devices, processes."""

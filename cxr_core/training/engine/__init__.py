"""The training loop: network, optimizer, schedule, augmentation, checkpoints, devices."""

"""The networks: backbones, heads and segmenters, built by name."""

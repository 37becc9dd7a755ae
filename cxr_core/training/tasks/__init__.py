"""What a network is trained for: findings, structures, and the attribution penalty."""

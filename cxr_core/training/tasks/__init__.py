"""What a network learns: findings, structures, and further targets beside them."""

"""Synthetic chest films whose true anatomy is known."""

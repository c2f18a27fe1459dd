"""Starts the shop: processes, databases, secrets, demo."""

"""Catalogue, orders, payments."""

"""Shipments, deliveries to partners, tracking."""

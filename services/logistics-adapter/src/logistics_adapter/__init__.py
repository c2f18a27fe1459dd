"""Shipments: one per order, handed to a delivery partner, followed until it arrives."""

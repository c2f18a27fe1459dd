"""Batches of all gateway processes become one log: verified, in one order, signed."""

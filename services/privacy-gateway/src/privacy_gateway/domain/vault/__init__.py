"""Sealed values and their keys: the only place that encrypts, and the only one that opens."""

"""A delivery partner that behaves, and misbehaves on request."""

from standins.carrier.application import create_app

__all__ = ["create_app"]

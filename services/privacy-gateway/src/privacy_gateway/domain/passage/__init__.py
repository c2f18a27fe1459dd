"""A request's way through the gateway: sealed going in, recorded and filtered coming out."""

"""The way out, through the gateway."""

"""What each service promises: its OpenAPI document, compiled into plans for both directions."""

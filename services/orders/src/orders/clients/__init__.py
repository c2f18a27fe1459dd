"""The world outside: payment providers."""

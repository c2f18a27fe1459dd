"""The world outside: a carrier and a mail server that behave, and misbehave on request."""

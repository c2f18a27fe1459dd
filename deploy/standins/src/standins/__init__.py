"""The world outside, for one machine: a carrier and a mail server, each its own process."""

"""Watching the record of accesses: what is unusual becomes an alert that somebody answers."""

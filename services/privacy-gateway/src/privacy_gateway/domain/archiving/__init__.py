"""Putting a month of records away: as files that prove themselves, and out of the store."""

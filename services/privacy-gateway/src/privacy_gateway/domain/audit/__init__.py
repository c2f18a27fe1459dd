"""The audit store: nothing is opened unrecorded, and no record names a person."""

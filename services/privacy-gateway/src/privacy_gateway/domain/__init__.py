"""The rules: what may be read, by whom, what for, and how it is written down."""

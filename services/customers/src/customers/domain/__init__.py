"""The rules. Each module is one decision."""

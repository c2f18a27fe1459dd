"""The rules: one module per decision."""

"""The rules of the shop: one file per decision."""

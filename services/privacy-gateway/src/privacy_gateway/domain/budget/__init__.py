"""How many customers a staff member may see on one day."""

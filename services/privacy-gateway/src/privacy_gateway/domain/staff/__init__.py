"""Who works here: a small directory for one machine, with passwords of its own."""

"""Personal data leaving to a third party: to whom, how little of it, and under which record."""

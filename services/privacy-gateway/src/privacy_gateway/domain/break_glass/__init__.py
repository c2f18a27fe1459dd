"""Emergencies: access without work, told at once, looked at afterwards."""

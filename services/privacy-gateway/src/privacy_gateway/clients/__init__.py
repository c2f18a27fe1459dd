"""The way to everything outside the process, one module each."""

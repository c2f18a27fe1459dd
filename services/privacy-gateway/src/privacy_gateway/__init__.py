"""The one place where personal data can be read: purposes, seals, records."""

"""Accounts, credentials, sealed profiles and addresses."""

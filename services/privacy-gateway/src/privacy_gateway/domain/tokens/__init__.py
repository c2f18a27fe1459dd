"""Tokens: who may call, for which purpose, until when."""

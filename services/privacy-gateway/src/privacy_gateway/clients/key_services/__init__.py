"""Key services, which wrap data keys with a key that never leaves them.

Each wraps a few bytes together with a text that they belong to, and unwraps them with the same text
only. That text is a digest: what a key service writes down of a call names no person.
"""

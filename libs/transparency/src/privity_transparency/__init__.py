"""Transparency logs in the formats of C2SP: trees, tiles, notes, checkpoints, proofs, batches.

Formats and mathematics only; whoever stores or sends them is elsewhere. Needs nothing of the
services, so that an outsider can check the audit log with this package alone.
"""

"""The audit log's own processes, apart from each other so that no one of them can rewrite it.

The sequencer puts verified batches in order, the signer signs what follows from what it signed
before, the witness remembers what the world was shown.
"""

"""The offline verifier: a bundle, an export or a whole database, against the log's signed head.

What it starts from is a checkpoint whose signatures verify. Hashes that lead up to its root are
trusted, and nothing else is: every record, index column, batch and tile has to agree with them.
"""

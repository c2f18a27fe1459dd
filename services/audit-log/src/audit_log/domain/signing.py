"""The log's signature: only under what continues everything it was given to before."""

from audit_log.domain.heads import Head, Heads
from audit_log.domain.succession import require_successor
from privity_transparency.note import Note, NoteSigner
from privity_transparency.witnessing import SignCheckpoint


class AnotherLog(ValueError):
    """A checkpoint of another origin, or one with extension lines, which nobody could audit."""


class Signer:
    def __init__(self, key: NoteSigner, heads: Heads) -> None:
        self.verifier = key.verifier
        self._key = key
        self._heads = heads

    def sign(self, asked: SignCheckpoint) -> Note:
        """The signed note, after its head is durable. Raises as `require_successor` does."""
        checkpoint = asked.checkpoint
        if checkpoint.origin != self._key.name or checkpoint.extensions:
            raise AnotherLog("not a checkpoint of this log")
        last = self._heads.of(checkpoint.origin)
        require_successor(checkpoint, last=last, old_size=asked.old_size, proof=asked.proof)
        head = Head(checkpoint.size, checkpoint.root)
        if head != last:
            self._heads.advance(checkpoint.origin, head)
        return Note(checkpoint.text, (self._key.sign(checkpoint.text),))

"""A witness's cosignature (c2sp.org/tlog-witness): one view of each log, whoever asks."""

from collections.abc import Collection, Mapping

from audit_log.domain.heads import Head, Heads
from audit_log.domain.succession import require_successor
from privity_transparency.note import NoteSigner, SignatureLine, VerifierKey, verify
from privity_transparency.witnessing import AddCheckpoint


class UnknownLog(LookupError):
    """No key is known here for this origin."""


class Witness:
    def __init__(
        self, key: NoteSigner, heads: Heads, logs: Mapping[str, Collection[VerifierKey]]
    ) -> None:
        self.verifier = key.verifier
        self._key = key
        self._heads = heads
        self._logs = logs

    def add(self, asked: AddCheckpoint, *, now: int) -> SignatureLine:
        """The cosignature, after its head is durable.

        Raises UnknownLog, note.NotSigned, or as `require_successor` does.
        """
        checkpoint = asked.checkpoint
        keys = self._logs.get(checkpoint.origin)
        if not keys:
            raise UnknownLog("no key is known for this origin")
        verify(asked.note, keys)
        last = self._heads.of(checkpoint.origin)
        require_successor(checkpoint, last=last, old_size=asked.old_size, proof=asked.proof)
        head = Head(checkpoint.size, checkpoint.root)
        if head != last:
            self._heads.advance(checkpoint.origin, head)
        return self._key.sign(asked.note.text, time=now)

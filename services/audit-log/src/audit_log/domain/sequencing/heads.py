"""Getting the log's head signed, then cosigned. The signer is what keeps the history one.

Its memory is not in the database. A database that was restored holds a shorter log than was signed
before; then nothing is integrated but what was there before, in the order that it had.
"""

from __future__ import annotations

import structlog

from audit_log.clients.signer import SignerClient, SignerRefused
from audit_log.clients.witness import WitnessClient, WitnessRefused, WitnessUnavailable
from audit_log.domain.sequencing import log
from audit_log.domain.sequencing.log import Connection
from audit_log.domain.sequencing.verification import DoesNotVerify
from privity_transparency.checkpoint import Checkpoint
from privity_transparency.encoding import Malformed
from privity_transparency.note import Note, NotSigned, VerifierKey, verify
from privity_transparency.plans import TileMissing
from privity_transparency.witnessing import AddCheckpoint, SignCheckpoint

_log = structlog.get_logger("privity.audit_log")


class Ahead(Exception):
    """The signer has signed a longer log than this one."""

    def __init__(self, size: int) -> None:
        super().__init__(f"a log of {size} records was signed before")
        self.size = size


class Heads:
    def __init__(
        self,
        signer: SignerClient,
        *,
        log_key: VerifierKey,
        witness: WitnessClient | None,
        witness_key: VerifierKey | None,
    ) -> None:
        self._signer = signer
        self._log_key = log_key
        self._witness = witness
        self._witness_key = witness_key
        self._signed = 0
        self._cosigned = 0

    async def sign(self, connection: Connection, size: int, root: bytes) -> Note:
        """Raises Ahead, DoesNotVerify when it forks what was signed, or SignerUnavailable."""
        checkpoint = Checkpoint(self._log_key.name, size, root)
        for _ in range(2):
            try:
                proof = await log.proof(connection, self._signed, size)
                note = await self._signer.sign(SignCheckpoint(self._signed, proof, checkpoint))
            except SignerRefused as refused:
                if refused.signed_size is None or refused.signed_size == self._signed:
                    raise DoesNotVerify("the signer has signed another history") from None
                if refused.signed_size > size:
                    raise Ahead(refused.signed_size) from None
                self._signed = refused.signed_size
            except TileMissing:
                raise DoesNotVerify("a tile of the log is missing") from None
            else:
                verify(note, [self._log_key])
                self._signed = size
                return note
        raise DoesNotVerify("the signer contradicts itself")

    async def cosign(self, connection: Connection, note: Note) -> Note | None:
        """With the witness's line; nothing when it does not answer. Others go on meanwhile."""
        if self._witness is None or self._witness_key is None:
            return None
        size = Checkpoint.parse(note.text).size
        for _ in range(2):
            try:
                proof = await log.proof(connection, self._cosigned, size)
                lines = await self._witness.add(AddCheckpoint(self._cosigned, proof, note))
                cosigned = note.with_signatures(*lines)
                verify(cosigned, [self._witness_key])
            except WitnessRefused as refused:
                known = refused.cosigned_size
                if known is None or known == self._cosigned or known > size:
                    _log.error("witness_refused", status=refused.status, cosigned=known)
                    return None
                self._cosigned = known
            except (WitnessUnavailable, Malformed, NotSigned) as exc:
                _log.warning("not_cosigned", reason=type(exc).__name__)
                return None
            else:
                self._cosigned = size
                return cosigned
        return None

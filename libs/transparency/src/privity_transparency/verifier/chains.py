"""The batches of each process: who signed them, and that none is missing between two."""

from __future__ import annotations

from collections.abc import Collection

from privity_transparency.batch import FIRST_PREVIOUS, Batch, Process
from privity_transparency.note import NotSigned
from privity_transparency.verifier.findings import Fault, Report


class Chains:
    """`identities`: public keys of the gateway's audit identity. `from_the_first`: whether the
    first batch seen of a process has to be its first."""

    def __init__(
        self, identities: Collection[bytes], report: Report, *, from_the_first: bool = True
    ) -> None:
        self._from_the_first = from_the_first
        self._identities = identities
        self._report = report
        self._keys: dict[str, bytes] = {}
        self._next: dict[str, tuple[int, bytes]] = {}

    def add_process(self, process: Process, certificate: bytes) -> None:
        self._report.processes += 1
        self._keys[process.process] = process.public_key
        if not any(_verifies(process, certificate, identity) for identity in self._identities):
            self._report.add(
                Fault.PROCESS, f"the gateway's identity does not vouch for {process.process}"
            )

    def key_of(self, process_id: str) -> bytes | None:
        return self._keys.get(process_id)

    def follow(self, batch: Batch, *, signed: bool) -> bool:
        """In the order of the log. Whether the batch's own signature holds."""
        self._report.batches += 1
        named = f"batch {batch.number} of {batch.process}"
        if batch.process not in self._keys:
            self._report.add(Fault.PROCESS, f"{named}: no such process")
        elif not signed:
            self._report.add(Fault.BATCH, f"{named}: its signature does not verify")
        start = (0, FIRST_PREVIOUS) if self._from_the_first else (batch.number, batch.previous)
        number, previous = self._next.get(batch.process, start)
        if batch.number != number:
            self._report.add(
                Fault.BATCH, f"{named} stands where batch {number} of this process belongs"
            )
        elif batch.previous != previous and signed:
            # When this one's signature holds, it is the one before that was changed.
            self._report.add(Fault.BATCH, f"{named}: the batch before it is another one")
        self._next[batch.process] = (batch.number + 1, batch.hash)
        return signed

    def gone(self, process_id: str, number: int) -> None:
        """A batch that the log lists and that is not there."""
        self._report.add(Fault.BATCH, f"batch {number} of {process_id} is gone")
        self._next.pop(process_id, None)


def signature_holds(batch: Batch, signature: bytes, public_key: bytes) -> bool:
    try:
        batch.verify(signature, public_key)
    except NotSigned:
        return False
    return True


def _verifies(process: Process, certificate: bytes, identity: bytes) -> bool:
    try:
        process.verify(certificate, identity)
    except NotSigned:
        return False
    return True

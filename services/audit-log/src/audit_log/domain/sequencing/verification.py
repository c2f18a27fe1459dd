"""Whether a batch is what its process signed, record by record. Who doubts asks before the log.

The chain, the certificate of the process, the signature, the number of records and their leaves,
and that every column says what the leaf says. What does not verify never enters the log.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from privity_transparency.batch import FIRST_PREVIOUS, Batch, Process, leaves_hash
from privity_transparency.merkle import leaf_hash
from privity_transparency.note import NotSigned
from privity_transparency.verifier.record import Columns, NotCanonical, differing, read


class DoesNotVerify(Exception):
    """Which record or batch, by ids only."""


class Verified(NamedTuple):
    batch: Batch
    hashes: list[bytes]
    """Of its leaves, in order."""


class Link(NamedTuple):
    """Where a process's chain goes on."""

    number: int
    previous: bytes


FIRST = Link(0, FIRST_PREVIOUS)


class Processes:
    """The processes whose certificates were checked."""

    def __init__(self, identities: Collection[bytes]) -> None:
        """`identities`: of the gateway, one or, while one takes over from another, two."""
        self._identities = identities
        self._keys: dict[str, bytes] = {}

    def key_of(self, row: Mapping[str, Any]) -> bytes:
        """Its public key, once the gateway's identity vouches for it. Raises DoesNotVerify."""
        name: str = row["process_id"]
        known = self._keys.get(name)
        if known is not None and known == row["public_key"]:
            return known
        try:
            process = Process(name, row["public_key"], row["started_at"])
        except ValueError:
            raise DoesNotVerify(f"{name} is no process") from None
        if not any(_vouches(each, process, row["certificate"]) for each in self._identities):
            raise DoesNotVerify(f"process {name} has no valid certificate")
        self._keys[name] = process.public_key
        return process.public_key


def _vouches(identity: bytes, process: Process, certificate: bytes) -> bool:
    try:
        process.verify(certificate, identity)
    except (NotSigned, ValueError):
        return False
    return True


def verify(
    row: Mapping[str, Any], records: Sequence[Mapping[str, Any]], *, link: Link, key: bytes
) -> Verified:
    """A row of `batches` with its records by position. Raises DoesNotVerify."""
    named = f"batch {row['number']} of {row['process_id']}"
    try:
        batch = Batch(
            row["process_id"], row["number"], row["previous"], row["records"], row["leaves"]
        )
        batch.verify(row["signature"], key)
    except (NotSigned, ValueError):
        raise DoesNotVerify(f"{named}: its signature does not verify") from None
    if batch.number != link.number:
        raise DoesNotVerify(f"batch {link.number} of {batch.process} is missing")
    if batch.previous != link.previous:
        raise DoesNotVerify(f"{named}: another batch stands before it")
    _require_positions(records, batch.records, named)
    for record in records:
        _require_columns(record)
    hashes = [leaf_hash(record["leaf"]) for record in records]
    if leaves_hash(hashes) != batch.leaves:
        raise DoesNotVerify(f"{named}: its records are not those that were signed")
    return Verified(batch, hashes)


def _require_positions(records: Sequence[Mapping[str, Any]], expected: int, named: str) -> None:
    for position, record in enumerate(records):
        if record["position"] != position or position >= expected:
            raise DoesNotVerify(f"record {record['id']} is not where {named} has it")
    if len(records) < expected:
        raise DoesNotVerify(f"{named}: record {len(records)} of {expected} is missing")


def _require_columns(record: Mapping[str, Any]) -> None:
    try:
        members = read(record["leaf"])
    except NotCanonical:
        raise DoesNotVerify(f"record {record['id']}: its leaf is not canonical") from None
    row = Columns(*(record[name] for name in Columns._fields))
    if wrong := differing(row, members):
        raise DoesNotVerify(f"record {record['id']}: {', '.join(wrong)} differ from its leaf")

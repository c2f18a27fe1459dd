"""Proofs that a record is in the log, to be kept and checked offline (c2sp.org/tlog-proof)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from privity_transparency import merkle
from privity_transparency.checkpoint import Checkpoint, Opened, open_checkpoint
from privity_transparency.encoding import (
    Malformed,
    base64_text,
    decimal,
    from_base64,
    hash_from,
)
from privity_transparency.note import Note, VerifierKey

HEADER = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
_LONGEST_PROOF = 64


@dataclass(frozen=True)
class Bundle:
    """`extra` is authenticated by nothing; ours holds the record's leaf, which the proof proves."""

    index: int
    proof: tuple[bytes, ...]
    checkpoint: str
    """The signed note, verbatim."""
    extra: bytes | None = None

    def __str__(self) -> str:
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {base64_text(self.extra)}")
        lines.append(f"index {self.index}")
        lines += map(base64_text, self.proof)
        return "".join(f"{line}\n" for line in lines) + "\n" + self.checkpoint

    @staticmethod
    def parse(content: str | bytes) -> Bundle:
        try:
            text = content.decode() if isinstance(content, bytes) else content
        except UnicodeError:
            raise Malformed("the proof is not UTF-8") from None
        head, blank, checkpoint = text.partition("\n\n")
        header, *lines = head.split("\n")
        if header != HEADER or not blank:
            raise Malformed("not a proof of this version")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = from_base64(lines.pop(0).removeprefix("extra "))
        if not lines or not lines[0].startswith("index "):
            raise Malformed("a proof says which index it is for")
        index = decimal(lines.pop(0).removeprefix("index "))
        if len(lines) > _LONGEST_PROOF:
            raise Malformed("a longer proof than any tree needs")
        Checkpoint.parse(Note.parse(checkpoint).text)
        return Bundle(index, tuple(map(hash_from, lines)), checkpoint, extra)


def verify_bundle(
    bundle: Bundle,
    *,
    leaf: bytes,
    log_key: VerifierKey,
    witness_keys: Collection[VerifierKey] = (),
    quorum: int = 0,
) -> Opened:
    """Raises Malformed, NotSigned or NotProven unless the leaf is in the log that was signed."""
    opened = open_checkpoint(
        bundle.checkpoint, log_key=log_key, witness_keys=witness_keys, quorum=quorum
    )
    merkle.verify_inclusion(
        index=bundle.index,
        size=opened.checkpoint.size,
        hashed_leaf=merkle.leaf_hash(leaf),
        proof=bundle.proof,
        root=opened.checkpoint.root,
    )
    return opened

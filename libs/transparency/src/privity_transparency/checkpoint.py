"""Checkpoints (c2sp.org/tlog-checkpoint): a log's size and root, as the text of a signed note."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from privity_transparency.encoding import Malformed, base64_text, decimal, hash_from
from privity_transparency.note import COSIGNATURE, Note, NotSigned, Verified, VerifierKey, verify


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        lines = [self.origin, str(self.size), base64_text(self.root), *self.extensions]
        return "".join(f"{line}\n" for line in lines)

    @staticmethod
    def parse(text: str) -> Checkpoint:
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() or not all(lines):
            raise Malformed("a checkpoint is three lines or more, none of them empty")
        origin, size, root, *extensions = lines
        return Checkpoint(origin, decimal(size), hash_from(root), tuple(extensions))


@dataclass(frozen=True)
class Opened:
    """A checkpoint whose log signed it, and the witnesses that cosigned it."""

    checkpoint: Checkpoint
    note: Note
    cosigned_by: tuple[Verified, ...]


def open_checkpoint(
    content: str | bytes,
    *,
    log_key: VerifierKey,
    witness_keys: Collection[VerifierKey] = (),
    quorum: int = 0,
    origin: str | None = None,
) -> Opened:
    """Raises Malformed or NotSigned.

    `quorum`: how many of the witnesses must have cosigned. `origin`: the log's name where it is
    not the key's.
    """
    note = Note.parse(content)
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != (origin or log_key.name):
        raise NotSigned("a checkpoint of another log")
    if any(key.kind != COSIGNATURE or key.public == log_key.public for key in witness_keys):
        raise ValueError("a witness has a cosignature key, and one of its own")
    verify(note, [log_key])
    cosigned: list[Verified] = []
    if any(
        line.name == k.name and line.key_id == k.key_id
        for line in note.signatures
        for k in witness_keys
    ):
        cosigned = verify(note, witness_keys)
    # Two names for one key are one witness.
    if len({each.key.public for each in cosigned}) < quorum:
        raise NotSigned(f"cosigned by {len(cosigned)} of the {quorum} witnesses asked for")
    return Opened(checkpoint, note, tuple(cosigned))

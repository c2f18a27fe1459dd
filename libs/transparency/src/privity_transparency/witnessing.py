"""What a log sends to a witness (c2sp.org/tlog-witness, add-checkpoint), and gets back.

Our signer is asked in the same form, with the checkpoint's bare text where a witness gets the
signed note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from privity_transparency.checkpoint import Checkpoint
from privity_transparency.encoding import Malformed, base64_text, decimal, hash_from
from privity_transparency.note import Note, SignatureLine

SIZE_MEDIA_TYPE = "text/x.tlog.size"
"""Of a 409's body: the size of the checkpoint that the witness cosigned last."""
_LONGEST_PROOF = 63


@dataclass(frozen=True)
class AddCheckpoint:
    """`old_size` is the size that the witness cosigned last, 0 if never."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint.parse(self.note.text)

    def __str__(self) -> str:
        return f"{_head(self.old_size, self.proof)}{self.note}"

    @staticmethod
    def parse(content: str | bytes) -> AddCheckpoint:
        old_size, proof, rest = _parts(content)
        note = Note.parse(rest)
        Checkpoint.parse(note.text)
        return AddCheckpoint(old_size, proof, note)


@dataclass(frozen=True)
class SignCheckpoint:
    """`old_size` is the size that the signer signed last, 0 if never."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint

    def __str__(self) -> str:
        return _head(self.old_size, self.proof) + self.checkpoint.text

    @staticmethod
    def parse(content: str | bytes) -> SignCheckpoint:
        old_size, proof, rest = _parts(content)
        return SignCheckpoint(old_size, proof, Checkpoint.parse(rest))


def parse_cosignatures(content: str | bytes) -> tuple[SignatureLine, ...]:
    """The witness's answer. Whether they verify is for `note.verify` to say."""
    return Note.parse(
        b"-\n\n" + (content.encode() if isinstance(content, str) else content)
    ).signatures


def _head(old_size: int, proof: Sequence[bytes]) -> str:
    lines = [f"old {old_size}", *map(base64_text, proof)]
    return "".join(f"{line}\n" for line in lines) + "\n"


def _parts(content: str | bytes) -> tuple[int, tuple[bytes, ...], str]:
    try:
        text = content.decode() if isinstance(content, bytes) else content
    except UnicodeError:
        raise Malformed("not UTF-8") from None
    head, blank, rest = text.partition("\n\n")
    old, *lines = head.split("\n")
    if not blank or not old.startswith("old ") or len(lines) > _LONGEST_PROOF:
        raise Malformed("not the old size, a proof and a checkpoint")
    return decimal(old.removeprefix("old ")), tuple(map(hash_from, lines)), rest

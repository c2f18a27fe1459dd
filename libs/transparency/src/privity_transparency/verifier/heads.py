"""The checkpoints: the one that everything is measured by, and all others that were shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from privity_transparency.checkpoint import Checkpoint, Opened, open_checkpoint
from privity_transparency.encoding import Malformed
from privity_transparency.merkle import EMPTY_ROOT
from privity_transparency.note import NotSigned, VerifierKey
from privity_transparency.verifier.findings import Fault, Report


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What the verifier is told from outside, and believes."""

    log_key: VerifierKey
    witness_keys: tuple[VerifierKey, ...] = ()
    quorum: int = 0
    identities: tuple[bytes, ...] = ()
    """Public keys of the gateway's audit identity, which vouches for its processes."""
    known: tuple[str, ...] = ()
    """Checkpoints that somebody kept: the log may have grown since, and nothing else."""


@dataclass
class Heads:
    """`anchor`: the largest checkpoint that the log signed. `roots`: of all of them, by size."""

    anchor: Checkpoint
    roots: dict[int, bytes] = field(default_factory=dict)
    cosigned_size: int | None = None
    """Of the largest one that enough witnesses cosigned."""


class Stored(NamedTuple):
    """A signed note, and what stands beside it where it is stored."""

    note: str
    size: int | None = None
    root: bytes | None = None
    cosigned: bool | None = None


def open_heads(notes: Iterable[Stored], trust: Trust, report: Report) -> Heads:
    """Raises NotSigned or Malformed when a checkpoint from outside is none of this log's."""
    heads = Heads(Checkpoint(trust.log_key.name, 0, EMPTY_ROOT))
    for stored in notes:
        report.checkpoints += 1
        opened = _opened(stored.note, trust, report)
        if opened is None:
            continue
        said = opened.checkpoint
        if stored.size not in {None, said.size} or stored.root not in {None, said.root}:
            report.add(Fault.CHECKPOINT, f"the one of size {said.size} is filed as another")
        # A witness of earlier times may be none of those that are known here.
        signed = len(opened.note.signatures)
        if stored.cosigned is not None and stored.cosigned != (signed > 1):
            how = "cosigned, and by nobody" if stored.cosigned else "not cosigned, and it is"
            report.add(Fault.CHECKPOINT, f"the one of size {said.size} is filed as {how}")
        _add(heads, opened, trust, report)
    if trust.quorum and heads.cosigned_size is None:
        report.add(Fault.CHECKPOINT, f"none is cosigned by {trust.quorum} of the witnesses")
    for note in trust.known:
        known = open_checkpoint(note, log_key=trust.log_key).checkpoint
        if known.size > heads.anchor.size:
            first, last = heads.anchor.size, known.size - 1
            report.add(
                Fault.SHORTER,
                f"records {first} to {last} are gone: the log had {known.size} when the "
                f"checkpoint was signed that is known from outside",
                index=first,
            )
        else:
            _show(heads, known, report)
    return heads


def _opened(note: str, trust: Trust, report: Report) -> Opened | None:
    try:
        return open_checkpoint(note, log_key=trust.log_key, witness_keys=trust.witness_keys)
    except (NotSigned, Malformed) as wrong:
        report.add(Fault.CHECKPOINT, f"one that is stored: {wrong}")
        return None


def _add(heads: Heads, opened: Opened, trust: Trust, report: Report) -> None:
    checkpoint = opened.checkpoint
    _show(heads, checkpoint, report)
    if checkpoint.size >= heads.anchor.size:
        heads.anchor = checkpoint
    if len({each.key.public for each in opened.cosigned_by}) >= max(trust.quorum, 1):
        heads.cosigned_size = max(heads.cosigned_size or 0, checkpoint.size)


def _show(heads: Heads, checkpoint: Checkpoint, report: Report) -> None:
    shown = heads.roots.setdefault(checkpoint.size, checkpoint.root)
    if shown != checkpoint.root or (checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT):
        report.add(Fault.FORK, f"two checkpoints of {checkpoint.size} records, two roots")

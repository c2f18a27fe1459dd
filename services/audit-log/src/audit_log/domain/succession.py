"""Whether a checkpoint follows from the last head that was signed here."""

from collections.abc import Sequence

from audit_log.domain.heads import Head
from privity_transparency import merkle
from privity_transparency.checkpoint import Checkpoint


class OldSizeAhead(ValueError):
    """The request contradicts itself: it leads from a larger tree to a smaller one."""


class AnotherHead(ValueError):
    """The request does not continue from the head that was signed last, or forks it."""

    def __init__(self, size: int) -> None:
        super().__init__("another head was signed here last")
        self.size = size


def require_successor(
    checkpoint: Checkpoint, *, last: Head, old_size: int, proof: Sequence[bytes]
) -> None:
    """Raises OldSizeAhead, AnotherHead or merkle.NotProven."""
    if old_size > checkpoint.size:
        raise OldSizeAhead("the old size is beyond the checkpoint's")
    if old_size != last.size:
        raise AnotherHead(last.size)
    if old_size == checkpoint.size and checkpoint.root != last.root:
        raise AnotherHead(last.size)
    if old_size == 0:
        if proof:
            raise merkle.NotProven("nothing leads from the empty tree")
        return
    merkle.verify_consistency(
        size1=last.size,
        size2=checkpoint.size,
        root1=last.root,
        root2=checkpoint.root,
        proof=proof,
    )

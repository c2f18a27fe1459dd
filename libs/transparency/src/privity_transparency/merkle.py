"""Merkle trees as in RFC 6962, section 2.1: hashes, the right edge, and checking proofs.

Proofs are checked by rebuilding the root from them along the tree's own recursion (RFC 9162,
section 2.1); a proof that is too long, too short or made of anything but 32-byte hashes is none.
Subtrees are those of draft-ietf-plants-merkle-tree-certs, section 4.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from privity_transparency.encoding import HASH_BYTES

EMPTY_ROOT = sha256(b"").digest()


class NotProven(ValueError):
    """The proof does not show what it should. Nothing may be concluded from it."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over perfect subtrees of falling size, given from left to right."""
    *lefts, root = hashes
    for left in reversed(lefts):
        root = node_hash(left, root)
    return root


class CompactRange:
    """A growing tree of which only the right edge is kept: one hash per bit of its size."""

    def __init__(self, size: int = 0, edge: Iterable[bytes] = ()) -> None:
        self.size = size
        self.edge = list(edge)
        if len(self.edge) != size.bit_count():
            raise ValueError("the edge does not belong to a tree of this size")

    def append(self, hashed_leaf: bytes) -> None:
        self.size += 1
        carry = self.size
        while not carry & 1:
            hashed_leaf = sha256(b"\x01" + self.edge.pop() + hashed_leaf).digest()
            carry >>= 1
        self.edge.append(hashed_leaf)

    def root(self) -> bytes:
        return fold(self.edge) if self.edge else EMPTY_ROOT


def root_of(hashed_leaves: Iterable[bytes]) -> bytes:
    tree = CompactRange()
    for each in hashed_leaves:
        tree.append(each)
    return tree.root()


def verify_inclusion(
    *, index: int, size: int, hashed_leaf: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Raises NotProven unless the leaf is at this index of the tree with this size and root."""
    _require_hashes(hashed_leaf, root, *proof)
    if not 0 <= index < size:
        raise NotProven("the index is outside the tree")
    if _path_root(index, size, hashed_leaf, list(proof)) != root:
        raise NotProven("the proof leads to another root")


def verify_consistency(
    *, size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]
) -> None:
    """Raises NotProven unless the first tree is a prefix of the second.

    From nothing, nothing follows: a first size of 0 is refused. Whoever has seen nothing yet
    decides that before asking.
    """
    if size1 < 1:
        raise NotProven("a proof from the empty tree proves nothing")
    if size1 == size2:
        # Nothing is hashed here: the roots are compared as they came.
        if proof or root1 != root2 or not root1:
            raise NotProven("one size, two roots")
        return
    verify_subtree_consistency(
        start=0, end=size1, size=size2, subtree_root=root1, root=root2, proof=proof
    )


def is_subtree(start: int, end: int) -> bool:
    """Whether these leaves are an aligned subtree; the empty one is, anywhere."""
    width = end - start
    return 0 <= start <= end and (width == 0 or start % (1 << (width - 1).bit_length()) == 0)


def verify_subtree_inclusion(
    *,
    index: int,
    start: int,
    end: int,
    hashed_leaf: bytes,
    proof: Sequence[bytes],
    subtree_root: bytes,
) -> None:
    """Raises NotProven unless the leaf at this index of the log lies in the subtree."""
    if not is_subtree(start, end) or index < start:
        raise NotProven("not a subtree that holds the index")
    verify_inclusion(
        index=index - start,
        size=end - start,
        hashed_leaf=hashed_leaf,
        proof=proof,
        root=subtree_root,
    )


def verify_subtree_consistency(
    *, start: int, end: int, size: int, subtree_root: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    """Raises NotProven unless the tree holds the subtree at [start, end)."""
    if not is_subtree(start, end) or end > size:
        raise NotProven("not a subtree of this tree")
    if start == end:
        if proof or subtree_root != EMPTY_ROOT:
            raise NotProven("the empty subtree has one root and no proof")
        return
    if (start, end) == (0, size):
        if proof or subtree_root != root:
            raise NotProven("one tree, two roots")
        return
    _require_hashes(subtree_root, root, *proof)
    left = list(proof)
    rebuilt = _subtree_roots(start, end, size, subtree_root, left, whole=True)
    if left or rebuilt != (subtree_root, root):
        raise NotProven("the proof leads to another root")


def _require_hashes(*values: bytes) -> None:
    if any(len(value) != HASH_BYTES for value in values):
        raise NotProven("a hash has exactly 32 bytes")


def split(size: int) -> int:
    """How many of so many leaves are in the left subtree: the largest power of two below."""
    return 1 << ((size - 1).bit_length() - 1)


def _path_root(index: int, size: int, hashed_leaf: bytes, proof: list[bytes]) -> bytes:
    if size == 1:
        if proof:
            raise NotProven("the proof is too long")
        return hashed_leaf
    sibling, middle = _last(proof), split(size)
    if index < middle:
        return node_hash(_path_root(index, middle, hashed_leaf, proof), sibling)
    return node_hash(sibling, _path_root(index - middle, size - middle, hashed_leaf, proof))


def _subtree_roots(
    start: int, end: int, size: int, known: bytes, proof: list[bytes], *, whole: bool
) -> tuple[bytes, bytes]:
    """The subtree's share in [start, end) and the root of the tree, both from the proof.

    `whole`: everything so far lies in one subtree, so its root is the one that we know.
    """
    if (start, end) == (0, size):
        root = known if whole else _last(proof)
        return root, root
    sibling, middle = _last(proof), split(size)
    if end <= middle:
        part, root = _subtree_roots(start, end, middle, known, proof, whole=whole)
        return part, node_hash(root, sibling)
    if start >= middle:
        part, root = _subtree_roots(
            start - middle, end - middle, size - middle, known, proof, whole=whole
        )
        return part, node_hash(sibling, root)
    part, root = _subtree_roots(0, end - middle, size - middle, known, proof, whole=False)
    return node_hash(sibling, part), node_hash(sibling, root)


def _last(proof: list[bytes]) -> bytes:
    if not proof:
        raise NotProven("the proof is too short")
    return proof.pop()

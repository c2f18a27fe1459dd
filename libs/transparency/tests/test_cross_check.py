"""Other people's implementations read what ours wrote, and ours reads theirs."""

from __future__ import annotations

import random
from pathlib import Path

import pymerkle
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tlog_scales import signing, tlog
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader

from privity_transparency import merkle, plans, tiles
from privity_transparency.checkpoint import open_checkpoint
from privity_transparency.note import VerifierKey
from privity_transparency.tiles import Growth, TileId

from .conftest import RECORDS
from .made_log import MadeLog


@pytest.fixture
def log(tmp_path: Path, made: MadeLog) -> Path:
    """The made log as the folder of files that tlog-tiles describes."""
    leaves = [row[2] for row in made.rows["records"]]
    stored = {TileId(level, number): hashes for level, number, hashes in made.rows["tiles"]}
    files = {"checkpoint": made.heads[-1].encode()}
    for tile, width in tiles.all_tiles(RECORDS):
        files[tiles.path(*tile, width)] = stored[tile]
        if tile.level == 0:
            first = tile.number * tiles.WIDTH
            entries = tiles.bundle(leaves[first : first + width])
            files[tiles.path(None, tile.number, width)] = entries
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_a_reader_of_tiled_logs_reads_ours(log: Path, made: MadeLog) -> None:
    reader, chance = TilesReader(LocalBackend(log)), random.Random(8)
    leaves = [row[2] for row in made.rows["records"]]
    stored = {TileId(level, number): hashes for level, number, hashes in made.rows["tiles"]}

    checkpoint = reader.get_checkpoint()

    for signer in (made.log, made.witness):
        checkpoint.verify(signing.Vkey.from_string(str(signer.verifier)))
    assert reader.calculate_root_hash() == checkpoint.root_hash
    for index in chance.sample(range(RECORDS), 25):
        assert reader.get_entry(index) == leaves[index]
        ours = plans.resolve(plans.inclusion(index, RECORDS), stored)
        assert reader.get_inclusion_proof(index, RECORDS).node_hashes == ours
    for size in chance.sample(range(1, RECORDS), 25):
        ours = plans.resolve(plans.consistency(size, RECORDS), stored)
        assert reader.get_consistency_proof(size, RECORDS).node_hashes == ours
        root = merkle.root_of(map(merkle.leaf_hash, leaves[:size]))
        tlog.ConsistencyProof(size, RECORDS, ours).check(root, checkpoint.root_hash)


def test_checkpoints_that_others_sign_open_here() -> None:
    private, root = Ed25519PrivateKey.generate(), bytes(range(32))
    signer = signing.PlainEd25519Signer("log.example/x", private)

    content = tlog.Checkpoint.make_signed("log.example/x", 7, root, [signer]).serialize()

    key = VerifierKey("log.example/x", 1, private.public_key().public_bytes_raw())
    opened = open_checkpoint(content, log_key=key)
    assert (opened.checkpoint.size, opened.checkpoint.root) == (7, root)
    assert str(opened.note) == content


def test_another_tree_has_our_roots_and_verifies_with_our_hashes() -> None:
    theirs = pymerkle.InmemoryTree(algorithm="sha256")
    ours, hashes = Growth(), []

    for number in range(300):
        entry = str(number).encode()
        theirs.append_entry(entry)
        hashes.append(merkle.leaf_hash(entry))
        ours.append(hashes[-1:])
        assert theirs.get_root() == ours.root()
    for index in range(0, 300, 7):
        proof = theirs.prove_inclusion(index + 1, 300)
        pymerkle.verify_inclusion(hashes[index], ours.root(), proof)

"""Logs, notes and cosignatures that others made: byte for byte, and verified."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from privity_transparency import merkle, note, plans, proof, tiles
from privity_transparency.checkpoint import Checkpoint, open_checkpoint
from privity_transparency.note import Note, NotSigned, VerifierKey
from privity_transparency.tiles import Growth, TileId

TESSERA_KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
# As they stand in the log.
TESSERA_LEAVES = (
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eit",
    "nain",
    "ten",
    "ileven",
    "twelf",
    "threeten",
    "fourten",
    "fivten",
)


def test_a_log_of_tessera_at_every_size_byte_for_byte(
    vectors: Path, record_figures: Callable[[str], None]
) -> None:
    log, key = vectors / "tessera-log/testdata/log", VerifierKey.parse(TESSERA_KEY)
    leaves = [leaf.encode() for leaf in TESSERA_LEAVES]
    growth, stored = Growth(), dict[TileId, bytes]()

    for size in range(16):
        content = (log / f"checkpoint.{size}").read_bytes()
        checkpoint = open_checkpoint(content, log_key=key).checkpoint
        assert str(Note.parse(content)).encode() == content
        assert Checkpoint.parse(checkpoint.text) == checkpoint
        assert (checkpoint.size, checkpoint.root) == (size, growth.root())
        if size:
            assert (log / tiles.path(0, 0, size)).read_bytes() == stored[TileId(0, 0)]
            bundle = (log / tiles.path(None, 0, size)).read_bytes()
            assert bundle == tiles.bundle(leaves[:size])
            for index in range(size):
                made = proof.Bundle(
                    index,
                    tuple(plans.resolve(plans.inclusion(index, size), stored)),
                    content.decode(),
                    leaves[index],
                )
                assert proof.Bundle.parse(str(made)) == made
                proof.verify_bundle(made, leaf=leaves[index], log_key=key)
                with pytest.raises(merkle.NotProven):
                    proof.verify_bundle(made, leaf=leaves[index] + b" ", log_key=key)
        if size < 15:
            stored |= growth.append([merkle.leaf_hash(leaves[size])])
    record_figures("vectors, tessera log: 16 checkpoints, 15 tiles, 15 entry bundles the same")


def test_a_mirror_across_the_boundary_of_a_tile(vectors: Path) -> None:
    """300 leaves: tile 0/000 full, 0/001 partial, 1/000 with the hash of the full one."""
    folder = vectors / "sunlight-skylight/cmd/skylight/testdata/witness/mirror"
    [log] = [each for each in folder.iterdir() if each.is_dir()]
    checkpoint = Checkpoint.parse(Note.parse((log / "checkpoint").read_bytes()).text)

    stored = {
        tile: (log / tiles.path(*tile, width)).read_bytes()
        for tile, width in tiles.all_tiles(checkpoint.size)
    }
    leaves = [
        stored[TileId(0, number)][at : at + 32]
        for number in (0, 1)
        for at in range(0, len(stored[TileId(0, number)]), 32)
    ]

    assert checkpoint.size == len(leaves) == 300
    assert plans.tree_root(300, stored) == checkpoint.root == merkle.root_of(leaves)
    assert Growth().append(leaves) == stored


def test_cosignatures_of_others_verify_and_a_changed_byte_does_not(
    vectors: Path, record_figures: Callable[[str], None]
) -> None:
    folder = vectors / "sunlight-skylight/cmd/skylight/testdata"
    keys = [
        VerifierKey.parse(text)
        for file in folder.rglob("*.v0.json")
        for text in json.loads(file.read_text())["verifier_keys"]
    ]
    notes = [file.read_bytes() for file in folder.rglob("*/checkpoint") if file.stat().st_size > 99]

    for content in notes:
        [verified] = note.verify(Note.parse(content), keys)
        assert verified.key.kind == note.COSIGNATURE
        assert verified.time == 1767139200
        with pytest.raises(NotSigned):
            note.verify(Note.parse(content.replace(b"\n300\n", b"\n301\n")), keys)

    assert len(notes) == 3
    record_figures(f"vectors, cosignatures: {len(notes)} verified")


def test_signed_notes_of_others_verify_and_changed_ones_do_not(
    vectors: Path, record_figures: Callable[[str], None]
) -> None:
    given = json.loads((vectors / "signed-note/signed-note.json").read_text())["vectors"]

    for vector in given:
        key, parsed = VerifierKey.parse(vector["vkey"]), Note.parse(vector["note"])
        assert str(key) == vector["vkey"]
        assert str(parsed) == vector["note"]
        assert [each.key for each in note.verify(parsed, [key])] == [key]
        with pytest.raises(NotSigned):
            note.verify(Note(parsed.text + "more\n", parsed.signatures), [key])
        with pytest.raises(NotSigned):
            note.verify(parsed, [key._replace(public=bytes(32))])

    record_figures(f"vectors, signed notes: {len(given)} verified")

"""Every probe of transparency-dev/merkle, those that must be refused above all."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from privity_transparency import merkle

KINDS = {
    "inclusion": 98,
    "consistency": 98,
    "subtreeinclusion": 204,
    "subtreeconsistency": 118,
}


def raw(text: str) -> bytes:
    return base64.b64decode(text)


def probe(kind: str, given: Mapping[str, Any]) -> None:
    proof = [raw(each) for each in given["proof"] or []]
    if kind == "inclusion":
        merkle.verify_inclusion(
            index=given["leafIdx"],
            size=given["treeSize"],
            hashed_leaf=raw(given["leafHash"]),
            proof=proof,
            root=raw(given["root"]),
        )
    elif kind == "consistency":
        merkle.verify_consistency(
            size1=given["size1"],
            size2=given["size2"],
            root1=raw(given["root1"]),
            root2=raw(given["root2"]),
            proof=proof,
        )
    elif kind == "subtreeinclusion":
        merkle.verify_subtree_inclusion(
            index=given["leafIdx"],
            start=given["start"],
            end=given["end"],
            hashed_leaf=raw(given["leafHash"]),
            proof=proof,
            subtree_root=raw(given["root"]),
        )
    else:
        merkle.verify_subtree_consistency(
            start=given["start"],
            end=given["end"],
            size=given["size"],
            subtree_root=raw(given["root1"]),
            root=raw(given["root2"]),
            proof=proof,
        )


@pytest.mark.parametrize("kind", KINDS)
def test_every_probe_is_accepted_or_refused_as_it_says(
    kind: str, vectors: Path, record_figures: Callable[[str], None]
) -> None:
    outcomes: list[bool] = []

    for file in sorted((vectors / "transparency-dev-merkle/testdata" / kind).rglob("*.json")):
        given = json.loads(file.read_text())
        if given["wantErr"]:
            with pytest.raises(merkle.NotProven):
                probe(kind, given)
        else:
            probe(kind, given)
        outcomes.append(given["wantErr"])

    assert len(outcomes) == KINDS[kind]
    record_figures(
        f"vectors, {kind}: {outcomes.count(False)} accepted, {outcomes.count(True)} refused"
    )

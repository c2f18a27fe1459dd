"""The log over HTTP: what anybody may fetch, and what only reviewers or the customer may."""

import time

import pytest

from audit_log.domain.keys import log_key
from privity_transparency import merkle
from privity_transparency.checkpoint import open_checkpoint
from privity_transparency.encoding import from_base64
from privity_transparency.note import COSIGNATURE
from privity_transparency.proof import Bundle, verify_bundle
from privity_transparency.tiles import parse_bundle

ORIGIN, WITNESS = "shop.example/audit", "witness.example/w1"


@pytest.fixture(scope="module")
def keys(stack):
    folder = stack.secrets.folder / "audit-log"
    return {
        "log_key": log_key(str(folder / "signer.pub"), origin=ORIGIN),
        "witness_keys": [log_key(str(folder / "witness.pub"), origin=WITNESS, kind=COSIGNATURE)],
        "quorum": 1,
    }


@pytest.fixture(scope="module")
def reviewer(staff):
    return staff.grant("auditor", "audit_review")


def once_published(ask, *, seconds=15):
    """What was recorded a moment ago gets into the log a moment later."""
    end = time.monotonic() + seconds
    while (answer := ask()).code == "not_published_yet" and time.monotonic() < end:
        time.sleep(0.2)
    return answer


def checkpoint_of(visitor, keys):
    answer = visitor.ask("GET", "/v1/audit/log/checkpoint")
    assert answer.status == 200
    return open_checkpoint(answer.body, **keys).checkpoint


def test_anybody_gets_the_checkpoint_and_hashes_and_may_keep_them(visitor, customer, keys):
    checkpoint = checkpoint_of(visitor, keys)
    width = min(checkpoint.size, 256)
    partial = "" if width == 256 else f".p/{width}"

    tile = visitor.ask("GET", f"/v1/audit/log/tile/0/000{partial}")

    assert tile.status == 200
    assert len(tile.body) == width * 32
    assert "immutable" in tile.headers["cache-control"]
    assert tile.headers["content-type"] == "application/octet-stream"
    if width == checkpoint.size:
        hashes = [tile.body[n : n + 32] for n in range(0, len(tile.body), 32)]
        tree = merkle.CompactRange()
        for each in hashes:
            tree.append(each)
        assert tree.root() == checkpoint.root


def test_anybody_can_check_that_the_log_only_grew(visitor, customer, keys):
    older = checkpoint_of(visitor, keys)
    customer.who.get("/v1/my/accesses")
    newer = older
    end = time.monotonic() + 15
    while newer.size == older.size and time.monotonic() < end:
        newer = checkpoint_of(visitor, keys)
        time.sleep(0.1)

    answer = visitor.ask(
        "GET", f"/v1/audit/log/proofs/consistency?old={older.size}&size={newer.size}"
    )

    merkle.verify_consistency(
        size1=older.size,
        size2=newer.size,
        root1=older.root,
        root2=newer.root,
        proof=[from_base64(line) for line in answer.body.decode().splitlines()],
    )


@pytest.mark.parametrize(
    "path",
    [
        "/v1/audit/log/tile/0/x000/001",
        "/v1/audit/log/tile/0/0",
        "/v1/audit/log/tile/64/000",
        "/v1/audit/log/tile/0/000.p/256",
        "/v1/audit/log/tile/0/x999/x999/999",
        "/v1/audit/log/proofs/inclusion?index=0&size=999999999",
        "/v1/audit/log/proofs/consistency?old=0&size=1",
    ],
)
def test_what_is_not_in_the_log_is_not_there(visitor, customer, path):
    assert visitor.ask("GET", path).status == 404


def test_entries_are_for_reviewers_and_reading_them_is_recorded(
    visitor, customer, staff, reviewer, keys
):
    size = checkpoint_of(visitor, keys).size
    path = f"/v1/audit/log/tile/entries/000.p/{min(size, 255)}"

    assert visitor.ask("GET", path).status == 401
    assert customer.who.ask("GET", path).status == 403
    answer = reviewer.ask("GET", path)

    assert answer.status == 200
    entries = parse_bundle(answer.body)
    assert len(entries) == min(size, 255)
    proof = visitor.ask("GET", f"/v1/audit/log/proofs/inclusion?index=3&size={size}")
    merkle.verify_inclusion(
        index=3,
        size=size,
        hashed_leaf=merkle.leaf_hash(entries[3]),
        proof=[from_base64(line) for line in proof.body.decode().splitlines()],
        root=checkpoint_of_size(visitor, keys, size).root,
    )
    found = reviewer.post("/v1/audit/searches", {"kind": "audit_read", "limit": 5})
    assert any(record["purpose"] == "audit_review" for record in found["records"])


def checkpoint_of_size(visitor, keys, size):
    """Of this size; the log may have grown meanwhile, then its root follows from its hashes."""
    newest = checkpoint_of(visitor, keys)
    if newest.size == size:
        return newest
    hashes = []
    for number in range(-(-size // 256)):
        width = min(256, size - number * 256)
        partial = "" if width == 256 else f".p/{width}"
        tile = visitor.ask("GET", f"/v1/audit/log/tile/0/{number:03}{partial}").body
        hashes += [tile[n : n + 32] for n in range(0, len(tile), 32)]
    tree = merkle.CompactRange()
    for each in hashes:
        tree.append(each)
    return type(newest)(newest.origin, size, tree.root())


def test_a_customer_gets_the_proof_of_an_access_to_their_data_and_nobody_elses(
    town, customer, visitor, reviewer, keys
):
    entry = customer.who.get("/v1/my/accesses")["accesses"][0]

    answer = once_published(lambda: customer.who.ask("GET", entry["proof"]))

    assert answer.status == 200
    assert answer.headers["content-disposition"].endswith('.tlog-proof"')
    bundle = Bundle.parse(answer.body)
    verify_bundle(bundle, leaf=bundle.extra, **keys)
    assert entry["record"].encode() in bundle.extra
    assert town.customer().who.ask("GET", entry["proof"]).status == 404
    assert visitor.ask("GET", entry["proof"]).status == 401
    reviewed = reviewer.ask("GET", f"/v1/audit/records/{entry['record']}/proof")
    assert Bundle.parse(reviewed.body).extra == bundle.extra


def test_a_proof_is_of_no_use_for_another_record(customer, keys):
    entries = customer.who.get("/v1/my/accesses")["accesses"]
    one = once_published(lambda: customer.who.ask("GET", entries[0]["proof"]))
    other = once_published(lambda: customer.who.ask("GET", entries[-1]["proof"]))

    with pytest.raises(merkle.NotProven):
        verify_bundle(Bundle.parse(one.body), leaf=Bundle.parse(other.body).extra, **keys)


def test_readiness_says_that_recording_works(visitor):
    answer = visitor.ask("GET", "/readyz")

    assert answer.status == 200
    assert answer.json["status"] == "ok"

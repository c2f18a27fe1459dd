"""An old record, decided again by the version of its day, gives the recorded decision."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.contracts.offer import Offer
from privacy_gateway.domain.passage.contracts import Contracts
from privacy_gateway.domain.passage.journey import Journey
from privacy_gateway.domain.policy import Policy, replay
from privacy_gateway.domain.policy.explanation import NARROWED
from privacy_gateway.domain.tokens.caller import Caller
from privity_contracts import ids

STREET = "user.contact.address.street"


def as_is(file: dict[str, Any]) -> None:
    pass


def narrower(file: dict[str, Any]) -> None:
    file["rules"]["enquiries"]["support_1"]["mask"].remove(STREET)
    file["rules"]["delivery"]["dispatch"]["reveal"].remove("user.name")
    file["rules"]["delivery"]["dispatch"]["mask"].append("user.name")


def wider(file: dict[str, Any]) -> None:
    file["rules"]["warehousing"]["warehouse"]["reveal"].append("user.contact.address.state")
    del file["rules"]["order_verification"]["support_1"]
    del file["rules"]["order_verification"]["support_2"]
    file["rules"]["order_verification"]["finance"] = {"reveal": ["user.payment"]}


def accesses(contracts: Contracts, journeys: random.Random) -> Any:
    """What is recorded at the doors of one version: reads as they are given, and refusals."""
    policy, routes = contracts.policy, [r for r in contracts.offer.routes if r.answer]
    while True:
        route, role = journeys.choice(routes), journeys.choice(list(policy.file.roles))
        purpose = journeys.choice([*route.purposes, *policy.file.purposes])
        only = None
        if journeys.random() < 0.2:
            only = frozenset(journeys.sample(list(policy.file.categories), 4))
        subject = ids.mint("cus")
        caller = Caller(
            kind=policy.kind_of(role) or "staff",
            actor=subject if role == "customer" else "svc_orders",
            subject=None,
            role=role,
            purpose=purpose,
            work=None,
            session=None,
            token_id=None,
            expires_at=None,
            categories=only,
        )
        journey = Journey(caller, route, {}, ids.mint("req"), contracts)
        if not contracts.admits(route, role=role, purpose=purpose):
            if journeys.random() < 0.05:
                yield journey.refusal("purpose_not_allowed", subject=subject)
            continue
        plan = contracts.answer(route, role=role, purpose=purpose, only=only)
        for unit in units(plan):
            reason = NARROWED if plan.narrowed else None
            yield journey.access(
                "read", subject=subject, scope=None, fields=unit.fields, reason=reason
            )


def units(plan: Any) -> list[Any]:
    found, stack = [], [plan._root]
    while stack:
        node = stack.pop()
        if getattr(node, "unit", None) is not None:
            found.append(node.unit)
        stack += [inner for _, inner in getattr(node, "members", ())]
        stack += [node.item] if hasattr(node, "item") else []
    return found


@pytest.fixture
async def recorded(versions, documents, log, audit_database, vault):
    """1,000 records, a third under each of three versions, read back from the store."""
    policies, offer, since = versions(as_is, narrower, wider), Offer(documents), datetime.now(UTC)
    chance = random.Random(7)  # a test's choices
    for number, policy in enumerate(policies.versions):
        made = accesses(Contracts(offer, policy), chance)
        await log.record([next(made) for _ in range(334 if number == 0 else 333)])
    records, leaves, cursor = Records(audit_database.runtime, vault), [], None
    while len(leaves) < 1000:
        page = await records.search(
            Filters(since=since), now=datetime.now(UTC), limit=200, cursor=cursor
        )
        leaves, cursor = leaves + page.leaves, page.next_cursor
    records.close()
    return policies.versions, Contracts(offer, policies.current), leaves


async def test_a_thousand_records_of_three_versions_replay_to_what_was_recorded(recorded) -> None:
    versions, contracts, leaves = recorded
    routes = {r.name: r.purposes for r in contracts.offer.routes}

    outcomes = []
    for leaf in leaves:
        policy = replay.decided_by(leaf, versions)
        offered = routes[leaf["route"].replace(":", " ", 1)]
        outcomes.append(replay.replay(leaf, policy, offered=offered))

    assert len(outcomes) == 1000
    assert {leaf["policy"] for leaf in leaves} == {p.version for p in versions}
    assert [o for o in outcomes if o.agrees is False] == []
    # A record without a personal field is nothing that the policy decided about.
    assert sum(o.agrees is True for o in outcomes) > 900
    assert {leaf["decision"] for leaf in leaves} == {"allow", "refuse"}
    assert any(leaf.get("reason") == NARROWED for leaf in leaves)


async def test_under_another_version_some_would_have_been_decided_otherwise(recorded) -> None:
    versions, _, leaves = recorded

    for other in versions:
        differing = [
            leaf
            for leaf in leaves
            if leaf["policy"] != other.version and replay.replay(leaf, other).agrees is False
        ]
        assert differing, other.version


async def test_a_file_that_was_changed_under_its_version_explains_nothing(recorded) -> None:
    versions, _, leaves = recorded
    forged = leaves[0] | {"policy_hash": "0" * 16}

    with pytest.raises(replay.AnotherFile):
        replay.decided_by(forged, versions)
    assert replay.decided_by(leaves[0] | {"policy": "1999-01-01"}, versions) is None


def leaf(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "read",
        "decision": "allow",
        "role": "support_1",
        "purpose": "enquiries",
        "policy": "2026-11-22",
        "fields": {"mask": {"user.name": ["name"]}},
    } | changes


@pytest.mark.parametrize(
    ("changes", "agrees"),
    [
        ({}, True),
        ({"fields": {"reveal": {"user.name": ["name"]}}}, False),
        ({"fields": {"withhold": {"user.name": ["name"]}}}, False),
        ({"fields": {"withhold": {"user.name": ["name"]}}, "reason": "grant_narrowed"}, True),
        ({"fields": {"reveal": {"user.name": ["name"]}}, "reason": "grant_narrowed"}, False),
        ({"fields": {"withhold": {"user.payment": ["card"]}}}, True),
        ({"fields": {"mask": {"user.dna": ["dna"]}}}, False),
        ({"purpose": "marketing"}, False),
        ({"fields": {}}, None),
        ({"kind": "collect", "fields": {"seal": {"user.name": ["name"]}}}, True),
        ({"kind": "collect", "fields": {"seal": {"user.payment": ["card"]}}}, False),
        ({"kind": "search", "fields": {"look_up": {"user.contact.email": ["email"]}}}, True),
        ({"kind": "search", "fields": {"look_up": {"user.name": ["name"]}}}, False),
        (
            {
                "kind": "carry",
                "role": "customer",
                "purpose": "self_service",
                "fields": {"carry": {"user.name": ["delivery.recipient"]}},
            },
            True,
        ),
        ({"kind": "carry", "fields": {"carry": {"user.payment": ["card"]}}}, False),
        (
            {
                "kind": "disclosure",
                "role": "service",
                "purpose": "delivery",
                "fields": {"reveal": {"user.name": ["recipient.name"]}},
            },
            True,
        ),
        (
            {
                "kind": "disclosure",
                "role": "service",
                "purpose": "delivery",
                "fields": {"reveal": {"user.contact.email": ["email"]}},
            },
            False,
        ),
        ({"kind": "grant", "fields": {}}, True),
        ({"kind": "grant", "fields": {}, "purpose": "warehousing"}, False),
        (
            {"decision": "refuse", "reason": "purpose_not_allowed", "purpose": "sale"},
            True,
        ),
        ({"decision": "refuse", "reason": "purpose_not_allowed"}, None),
        ({"decision": "refuse", "reason": "foreign_subject"}, None),
        ({"decision": "refuse", "reason": "consent_missing", "purpose": "newsletter"}, True),
        ({"decision": "refuse", "reason": "consent_missing"}, False),
    ],
)
def test_each_kind_of_record_is_decided_again(
    contracts, changes: dict[str, Any], agrees: bool | None
) -> None:
    policy: Policy = contracts.current.policy

    again = replay.replay(leaf(**changes), policy)

    assert again.agrees is agrees
    assert bool(again.differs) == (agrees is False)


def test_a_refusal_at_a_door_that_opens_is_found(contracts) -> None:
    refused = leaf(decision="refuse", reason="purpose_not_allowed", fields={})
    policy = contracts.current.policy

    assert replay.replay(refused, policy, offered=("delivery",)).agrees is True
    assert replay.replay(refused, policy, offered=("enquiries",)).agrees is False

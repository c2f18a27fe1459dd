"""Every role, purpose, category, route and state of a person, own and foreign, against the oracle.

What is compared is what comes out: each cell is read through the gateway's own way out, with real
seals, real records and a real answer about consent.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from privacy_gateway.domain.contracts.document import Route
from privacy_gateway.domain.passage.contracts import Contracts
from privacy_gateway.domain.passage.journey import Journey
from privacy_gateway.domain.passage.outbound import ConsentMissing
from privacy_gateway.domain.tokens.caller import Caller
from privity_contracts import ids
from privity_rest import NotFound

from . import oracle
from .answers import became, is_about_somebody, keys, leaves, made_up, read_routes

STATES = ("held", "deleted", "no consent")
SAID = "privacy"


def caller(kind: str, role: str, purpose: str, subject: str) -> Caller:
    """Somebody whose own this subject is, or whose work is about them."""
    actors = {"customer": subject, "staff": ids.mint("stf"), "service": "svc_orders"}
    return Caller(
        kind=kind,
        actor=actors.get(kind, "visitor" if kind == "visitor" else ids.mint("rcp")),
        subject=subject if kind == "customer" else None,
        role=role,
        purpose=purpose,
        work="case/" + ids.mint("cas") if kind == "staff" else None,
        session=None,
        token_id=None,
        expires_at=None,
        work_subject=subject if kind == "staff" else None,
    )


def combinations(contracts: Contracts, raw) -> Iterator[tuple[Route, str, str, str, bool]]:
    for route in read_routes(contracts.offer.routes):
        # What is about nobody is nobody's own, and its person is in no state.
        personal = is_about_somebody(route.answer)
        for role in raw["roles"]:
            for purpose in raw["purposes"]:
                for state in STATES if personal else STATES[:1]:
                    for own in (True, False) if personal else (True,):
                        yield route, role, purpose, state, own


async def test_every_cell_is_what_the_oracle_says(
    contracts, raw, people, outbound, record_property
) -> None:
    cells, differing, waiting = 0, [], []
    stranger = ids.mint("cus")

    def compare(combination, built, answer) -> None:
        nonlocal cells
        route, role, purpose, state, own = combination
        for leaf in leaves(route.answer):
            cells += 1
            rule = raw["categories"][leaf.category]
            got = "withhold" if built is None else became(leaf, answer, built, rule)
            wanted = oracle.outcome(
                raw,
                role,
                purpose,
                leaf.category,
                served=route.purposes,
                # Beside entries that are left out for want of consent, what is about nobody stays.
                state=state if leaf.about or state != "no consent" else "held",
                own=own,
                sealed=leaf.sealed,
            )
            if got != wanted:
                differing.append((route.name, role, purpose, leaf.path, state, own, wanted, got))

    async def read(combination) -> None:
        route, role, purpose, state, own = combination
        person = people[state]
        answer = made_up(route.answer, person)
        kind = contracts.policy.kind_of(role)
        who = caller(kind, role, purpose, person.subject if own else stranger)
        journey = Journey(who, route, {}, ids.mint("req"), contracts)
        try:
            built = await outbound.give(journey, answer)
        except (NotFound, ConsentMissing):
            built = None
        compare(combination, built, answer)

    for combination in combinations(contracts, raw):
        route, role, purpose, *_ = combination
        if contracts.admits(route, role=role, purpose=purpose):
            waiting.append(combination)
        else:
            compare(combination, None, None)
    # Many at once, as in a busy hour: they share the store's batches.
    for start in range(0, len(waiting), 64):
        await asyncio.gather(*map(read, waiting[start : start + 64]))

    record_property("cells", cells)
    print(f"{cells} cells, {len(waiting)} answers built")  # noqa: T201  # what must be shown
    assert differing == []
    assert cells > 100_000


async def test_no_answer_has_a_member_that_is_not_allowed(contracts, raw, people, outbound) -> None:
    """Whatever a service adds to its answer, on every route, for every role and purpose."""
    person, seen = people["held"], 0
    for route in read_routes(contracts.offer.routes):
        answer = made_up(route.answer, person)
        for role in raw["roles"]:
            for purpose in raw["purposes"]:
                if not contracts.admits(route, role=role, purpose=purpose):
                    continue
                who = caller(contracts.policy.kind_of(role), role, purpose, person.subject)
                journey = Journey(who, route, {}, ids.mint("req"), contracts)
                built = await outbound.give(journey, answer)
                said = built.pop(SAID, {})
                allowed = set()
                for leaf in leaves(route.answer):
                    action = oracle.outcome(
                        raw,
                        role,
                        purpose,
                        leaf.category,
                        served=route.purposes,
                        state="held",
                        own=True,
                        sealed=leaf.sealed,
                    )
                    if action != "withhold":
                        for end in range(1, len(leaf.path) + 1):
                            allowed.add(".".join(leaf.path[:end]).replace(".[]", "[]"))
                assert set(keys(built)) <= allowed, (route.name, role, purpose)
                assert set(said) <= {
                    "purpose",
                    "policy",
                    "record",
                    "records",
                    "masked",
                    "generalised",
                    "withheld",
                }
                seen += 1

    assert seen > 100


def test_the_oracle_is_small_and_knows_nothing_of_the_engine() -> None:
    source = Path(oracle.__file__).read_text()

    assert len(source.splitlines()) <= 40
    assert "privacy_gateway" not in source

"""A purpose that needs consent yields nothing of those who have not given it, from one read to the
next."""

from dataclasses import replace
from typing import Annotated, Any

import pytest
from fastapi import FastAPI

from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.contracts.offer import Offer
from privacy_gateway.domain.passage.consents import ConsentUnknown
from privacy_gateway.domain.passage.contracts import Contracts
from privacy_gateway.domain.passage.journey import Journey
from privacy_gateway.domain.passage.outbound import ConsentMissing
from privacy_gateway.domain.tokens.caller import VISITOR
from privity_contracts import Category, Contract, Sealed, ids, route
from privity_contracts.ids import SubjectId
from privity_rest import Unavailable

CLASSES = {"user.name": "identity", "user.contact.email": "identity"}


class Reader(Contract, subject="subject_id", scope="account/subject_id"):
    subject_id: SubjectId
    name: Annotated[Sealed, Category("user.name")]
    email: Annotated[Sealed, Category("user.contact.email")]


class Readers(Contract):
    items: list[Reader]


def letters() -> FastAPI:
    app = FastAPI()

    @app.get("/v1/readers", openapi_extra=route(purposes=["newsletter"]))
    async def readers() -> Readers: ...  # type: ignore[empty-body]

    @app.get("/v1/readers/{subject_id}", openapi_extra=route(purposes=["newsletter"]))
    async def reader(subject_id: SubjectId) -> Reader: ...  # type: ignore[empty-body]

    return app


@pytest.fixture
def journey(contracts) -> Any:
    joined = Contracts(Offer({"customers": letters().openapi()}), contracts.current.policy)
    owner = replace(
        VISITOR,
        kind="staff",
        actor=ids.mint("stf"),
        role="shop_owner",
        purpose="newsletter",
        work="shop",
    )

    def make(path: str) -> Journey:
        found = next(r for r in joined.offer.routes if r.path == path)
        return Journey(owner, found, {}, ids.mint("req"), joined)

    return make


@pytest.fixture
def a_reader(vault, behind):
    async def make(*, consents: Any) -> dict[str, str]:
        subject = ids.mint("cus")
        values = [("user.name", "Alice Example"), ("user.contact.email", "a@example.org")]
        name, email = await vault.seal(subject, f"account/{subject}", values, classes=CLASSES)
        if consents is not None:
            behind.says("customers", f"/v1/consents/{subject}/state", consents)
        return {"subject_id": subject, "name": name, "email": email}

    return make


GIVEN = {"marketing": {"given": True, "version": "1", "at": "2026-01-01T00:00:00Z"}}
WITHDRAWN = {"marketing": {"given": False, "version": "1", "at": "2026-01-02T00:00:00Z"}}


async def test_with_consent_the_purpose_yields(outbound, journey, a_reader) -> None:
    given = await outbound.give(journey("/v1/readers/{subject_id}"), await a_reader(consents=GIVEN))

    assert (given["name"], given["email"]) == ("Alice Example", "a@example.org")


@pytest.mark.parametrize(
    "consents",
    [
        WITHDRAWN,
        {},
        {"statistics": {"given": True}},
        {"marketing": {"given": "true"}},
        {"marketing": {"given": 1}},
        {"marketing": True},
        {"Marketing": {"given": True}},
        None,
    ],
)
async def test_anything_but_a_plain_yes_is_no(
    outbound, journey, a_reader, audit_database, vault, consents
) -> None:
    reader = await a_reader(consents=consents)

    with pytest.raises(ConsentMissing):
        await outbound.give(journey("/v1/readers/{subject_id}"), reader)

    from datetime import UTC, datetime

    records = Records(audit_database.runtime, vault)
    page = await records.search(Filters(subject=reader["subject_id"]), now=datetime.now(UTC))
    records.close()
    assert [(leaf["decision"], leaf["reason"]) for leaf in page.leaves] == [
        ("refuse", "consent_missing")
    ]


async def test_withdrawal_counts_from_the_next_read(outbound, journey, a_reader, behind) -> None:
    reader, reading = await a_reader(consents=GIVEN), journey("/v1/readers/{subject_id}")
    await outbound.give(reading, reader)

    behind.says("customers", f"/v1/consents/{reader['subject_id']}/state", WITHDRAWN)

    with pytest.raises(ConsentMissing):
        await outbound.give(reading, reader)


async def test_a_list_holds_only_those_who_consent_and_says_so(outbound, journey, a_reader) -> None:
    people = [await a_reader(consents=c) for c in (GIVEN, WITHDRAWN, GIVEN, None)]

    given = await outbound.give(journey("/v1/readers"), {"items": people})

    assert [each["subject_id"] for each in given["items"]] == [
        people[0]["subject_id"],
        people[2]["subject_id"],
    ]
    assert len(given["privacy"]["records"]) == 2
    assert {"consent_missing"} == {w["reason"] for w in given["privacy"]["withheld"]}


async def test_a_list_without_anyone_who_consents_is_empty(outbound, journey, a_reader) -> None:
    given = await outbound.give(
        journey("/v1/readers"), {"items": [await a_reader(consents=WITHDRAWN)]}
    )

    assert given["items"] == []


@pytest.mark.parametrize(("status", "body"), [(500, {}), (503, None), (200, []), (200, "yes")])
async def test_when_it_cannot_be_told_nothing_is_given(
    outbound, journey, a_reader, behind, status, body
) -> None:
    reader = await a_reader(consents=GIVEN)
    path = f"/v1/consents/{reader['subject_id']}/state"
    behind.says("customers", path, body, status=status)

    with pytest.raises((ConsentUnknown, Unavailable)):
        await outbound.give(journey("/v1/readers/{subject_id}"), reader)

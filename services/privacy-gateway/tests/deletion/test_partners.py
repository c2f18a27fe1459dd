"""Partners are told to purge, are reminded, and attest to it; the receipt says how it stands."""

import json
from datetime import timedelta

import httpx
import orjson
import pytest
from fastapi import FastAPI

from privacy_gateway.api import purges
from privacy_gateway.api.cors import Cors
from privacy_gateway.api.edge import Edge
from privacy_gateway.domain.deletion import partners
from privacy_gateway.domain.deletion.run import run
from privacy_gateway.domain.disclosure import schemas
from privacy_gateway.domain.retention.sweep import sweep
from privacy_gateway.domain.tokens.caller import VISITOR
from privity_contracts import ids
from privity_jobs import RetryLater
from privity_rest import problems

from .conftest import all_of
from .partner import Partner
from .test_retention import delivered
from .test_run import receipt, wish

DAY = timedelta(days=1)
DAYS_UNTIL_PURGE = 14


@pytest.fixture
async def partner(serve, means):
    made = Partner()
    made.port = await serve(made.door())
    await made.register(means, days_until_purge=DAYS_UNTIL_PURGE)
    return made


@pytest.fixture
def reaching(means, partner):
    return partner.reaching(means)


@pytest.fixture
async def asked(reaching, partner, a_person):
    """A deletion that is over, and the request that the partner is to be told: (deletion, row)."""
    person = await a_person()
    await partner.was_given(reaching, person.order)
    deletion = await wish(reaching, person)
    await run(deletion, by=reaching)
    async with reaching.database.transaction() as tx:
        [request] = await partners.of(tx, deletion)
    return deletion, request


@pytest.fixture
async def door(reaching, clock):
    """`door(recipient_id, body, headers)`: where partners attest."""
    app = FastAPI(openapi_url=None)
    problems.install(app)
    app.include_router(purges.router)
    app.state.deletion = reaching

    async def as_anybody(scope, receive, send):
        scope["privity.caller"] = VISITOR
        await app(scope, receive, send)

    transport = httpx.ASGITransport(app=Edge(as_anybody, cors=Cors(()), https=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:

        async def post(recipient_id, body, headers):
            path = f"/v1/partners/{recipient_id}/purge-attestations"
            sent = {"Content-Type": "application/json", **headers}
            return await client.post(path, content=body, headers=sent)

        yield post


def saying(request, clock, **changes):
    said = {
        "type": "purge_attestation",
        "purge_request": request.id,
        "delivery": request.delivery_id,
        "purged_at": clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return orjson.dumps(said | changes)


async def jobs(means, kind, request):
    return await all_of(
        means,
        "SELECT key, due_at FROM jobs WHERE kind = :kind AND key LIKE :key ORDER BY due_at",
        kind=kind,
        key=f"{request.id}%",
    )


async def told_of(means, deletion):
    [each] = (await receipt(means, deletion))["partners"]
    return {name: each[name] is not None for name in ("told_at", "attested_at", "purged_at")}


async def test_told_and_attested_stand_in_the_receipt_that_was_given_before(
    reaching, partner, asked, door, clock
):
    deletion, request = asked
    before = await receipt(reaching, deletion)
    assert await told_of(reaching, deletion) == dict.fromkeys(
        ("told_at", "attested_at", "purged_at"), False
    )

    await partners.tell(request.id, by=reaching, now=clock())
    told = await told_of(reaching, deletion)
    clock.ahead(hours=3)
    body = saying(request, clock)
    answers = [await door(partner.id, body, partner.signed(body, now=clock())) for _ in range(3)]

    assert (told["told_at"], told["attested_at"]) == (True, False)
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert all(answer.content == b"" for answer in answers)
    after = await receipt(reaching, deletion)
    [each] = after.pop("partners")
    assert each["attested_at"] == clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    assert each["told_at"] < each["attested_at"]
    before.pop("partners")
    assert after == before  # and nothing else of it has changed
    async with reaching.database.transaction() as tx:
        assert request.id not in {each.id for each in await partners.of(tx, "del_none")}
        [kept] = await partners.of(tx, deletion)
    assert json.loads(kept.attestation)["purge_request"] == request.id
    # What they were told is as published, and signed.
    [(headers, sent)] = partner.told
    assert schemas.errors(schemas.PURGE_REQUEST, orjson.loads(sent)) == []
    assert headers["webhook-id"] == request.id


async def test_it_is_on_record_once_as_theirs(reaching, partner, asked, door, clock, as_owner):
    _, request = asked
    body = saying(request, clock)
    answers = [await door(partner.id, body, partner.signed(body, now=clock())) for _ in range(2)]

    found = [
        orjson.loads(row["leaf"])
        for answer in answers
        for row in await as_owner.fetch(
            "SELECT leaf FROM records WHERE convert_from(leaf, 'UTF8') LIKE $1",
            f"%{answer.headers['request-id']}%",
        )
    ]

    [leaf] = found
    assert (leaf["actor"], leaf["reason"]) == (partner.id, "purge_attested")


async def test_who_does_not_attest_is_reminded_a_day_before_and_then_daily(
    reaching, partner, asked, door, clock
):
    _, request = asked
    await partners.tell(request.id, by=reaching, now=clock())
    [(key, due)] = await jobs(reaching, partners.REMIND, request)
    assert (key, due) == (f"{request.id}-1", request.purge_by - DAY)

    for number in (1, 2):
        [*_, (_, due)] = await jobs(reaching, partners.REMIND, request)
        clock.now = due
        await partners.remind(request.id, by=reaching, now=clock())
        headers, sent = partner.told[-1]
        assert schemas.errors(schemas.PURGE_REMINDER, orjson.loads(sent)) == []
        assert headers["webhook-id"] == orjson.loads(sent)["id"] == f"{request.id}-{number}"
    async with reaching.database.transaction() as tx:
        [late] = await partners.of(tx, request.deletion_id)
        counted = await partners.count_open(tx, now=late.purge_by + timedelta(seconds=1))
    assert late.reminders == 2
    assert counted.overdue >= 1

    body = saying(request, clock)
    await door(partner.id, body, partner.signed(body, now=clock()))
    heard = len(partner.told)
    await partners.remind(request.id, by=reaching, now=clock())
    assert len(partner.told) == heard
    async with reaching.database.transaction() as tx:
        after = await partners.count_open(tx, now=late.purge_by + timedelta(seconds=1))
    assert after.open == counted.open - 1
    assert after.overdue == counted.overdue - 1


async def test_a_partner_that_takes_nothing_is_told_again_and_one_that_is_gone_is_not_reminded(
    reaching, partner, asked, clock
):
    deletion, request = asked
    partner.status = 500
    with pytest.raises(RetryLater):
        await partners.tell(request.id, by=reaching, now=clock())
    assert not (await told_of(reaching, deletion))["told_at"]

    partner.status = 410
    await partners.tell(request.id, by=reaching, now=clock())
    await partners.remind(request.id, by=reaching, now=clock())

    assert len(partner.told) == 2
    assert await jobs(reaching, partners.REMIND, request) == []
    assert not (await told_of(reaching, deletion))["told_at"]


async def test_a_parcel_that_was_under_way_is_purged_when_its_order_has_ended(
    reaching, partner, a_person, town
):
    person = await a_person(in_progress="order_in_transit")
    delivery = await partner.was_given(reaching, person.order)
    deletion = await wish(reaching, person, orders_in_progress="leave")
    await run(deletion, by=reaching)
    assert (await receipt(reaching, deletion))["partners"] == []

    held = town.held[person.id, person.order]
    town.held[person.id, person.order] = held.model_copy(update={"in_progress": None})
    await delivered(reaching, person, country="DE")
    await sweep(reaching)

    async with reaching.database.transaction() as tx:
        [request] = await partners.of(tx, deletion)
    assert request.delivery_id == delivery
    await partners.tell(request.id, by=reaching, now=reaching.clock())
    assert (await told_of(reaching, deletion))["told_at"]


async def test_who_attests_before_our_request_is_known_to_have_arrived_was_told(
    reaching, partner, asked, door, clock
):
    deletion, request = asked
    body = saying(request, clock)
    assert (await door(partner.id, body, partner.signed(body, now=clock()))).status_code == 202

    await partners.tell(request.id, by=reaching, now=clock())

    assert partner.told == []
    assert (await told_of(reaching, deletion)) == dict.fromkeys(
        ("told_at", "attested_at", "purged_at"), True
    )


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"purge_request": ids.mint("prg")}, 404, "purge_request_not_found"),
        ({"delivery": ids.mint("dlv")}, 404, "purge_request_not_found"),
        ({"purged_at": "2099-01-01T00:00:00Z"}, 422, "purged_in_the_future"),
        ({"purged_at": "yesterday"}, 422, "not_a_purge_attestation"),
        ({"name": "Ada"}, 422, "not_a_purge_attestation"),
        ({"type": "tracking_report"}, 422, "not_a_purge_attestation"),
    ],
)
async def test_what_does_not_fit_attests_nothing(
    reaching, partner, asked, door, clock, changes, status, code
):
    deletion, request = asked
    body = saying(request, clock, **changes)

    answer = await door(partner.id, body, partner.signed(body, now=clock()))

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not (await told_of(reaching, deletion))["attested_at"]


async def test_nobody_attests_for_another(reaching, partner, asked, door, clock, serve, means):
    """One answer for a stranger, a wrong secret, an old signature; none for another's request."""
    deletion, request = asked
    other = Partner()
    other.port = await serve(other.door())
    await other.register(means, days_until_purge=1)
    body, now = saying(request, clock), clock()
    ours = partner.signed(body, now=now, secret=partner.secrets["webhook"])
    wrong = {
        "our own webhooks' secret": (partner.id, ours),
        "another partner's secret": (partner.id, other.signed(body, now=now)),
        "an old one": (partner.id, partner.signed(body, now=now - timedelta(minutes=6))),
        "another body": (partner.id, partner.signed(body + b" ", now=now)),
        "nobody": (ids.mint("rcp"), partner.signed(body, now=now)),
        "nothing": (partner.id, {}),
    }  # fmt: skip
    for how, (recipient, headers) in wrong.items():
        answer = await door(recipient, body, headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed"), how

    theirs = await door(other.id, body, other.signed(body, now=now))

    assert theirs.json()["code"] == "purge_request_not_found"
    assert not (await told_of(reaching, deletion))["attested_at"]

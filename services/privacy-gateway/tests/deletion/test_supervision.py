"""Partners purge after every delivery, or get no more of them."""

from datetime import UTC, timedelta

import orjson
import pytest

from privacy_gateway.consumers import receive
from privacy_gateway.domain.deletion import partners, supervision
from privacy_gateway.domain.deletion.run import run
from privacy_gateway.domain.recipients import agreements, registry
from privacy_gateway.domain.recipients.agreements import NotAgreed
from privacy_gateway.models import Delivery, PurgeRequest
from privity_contracts import ids
from privity_contracts.events import Event

from .conftest import all_of
from .test_partners import DAY, DAYS_UNTIL_PURGE, door, jobs, partner, reaching, saying
from .test_retention import delivered
from .test_run import receipt, wish

__all__ = ["door", "partner", "reaching"]
SLACK = timedelta(seconds=1)


async def request_of(means, delivery):
    """What was asked of the partner for this delivery, if anything was."""
    found = await all_of(
        means, "SELECT id FROM purge_requests WHERE delivery_id = :id", id=delivery
    )
    if not found:
        return None
    async with means.database.transaction() as tx:
        return await tx.get(PurgeRequest, found[0][0])


async def arrives(means, person):
    order = person.order.removeprefix("order/")
    event = Event(
        id=ids.mint("evt"),
        type="order.delivered",
        occurred_at=means.clock().astimezone(UTC),
        data={"order_id": order, "subject_id": person.id, "country": "de"},
    )
    await receive(event, means=means, now=means.clock())


async def may_have_deliveries(means, partner):
    async with means.database.transaction() as tx:
        try:
            await agreements.covering(
                tx,
                await registry.find(tx, partner.id),
                purpose="delivery",
                categories=frozenset({"user.name"}),
                now=means.clock(),
            )
        except NotAgreed as refusal:
            return refusal.reason
    return "yes"


async def test_when_the_agreed_time_after_a_delivery_is_nearly_up_the_partner_is_told(
    reaching, partner, a_person, door, clock
):
    person = await a_person()
    delivery = await partner.was_given(reaching, person.order)
    assert await request_of(reaching, delivery) is None

    for _ in range(2):
        await arrives(reaching, person)

    request = await request_of(reaching, delivery)
    until = clock() + DAYS_UNTIL_PURGE * DAY
    assert (request.deletion_id, request.purge_by) == (None, until)
    assert await jobs(reaching, partners.PURGE, request) == [(request.id, until - DAY)]
    clock.now = until - DAY
    await partners.tell(request.id, by=reaching, now=clock())
    [(headers, sent)] = partner.told
    assert headers["webhook-id"] == request.id
    assert orjson.loads(sent)["purge_by"] == until.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert await jobs(reaching, partners.REMIND, request) == [(f"{request.id}-1", until)]

    body = saying(request, clock)
    answer = await door(partner.id, body, partner.signed(body, now=clock()))

    assert answer.status_code == 202
    assert (await request_of(reaching, delivery)).attested_at == clock()
    clock.ahead(days=30)
    await supervision.look(reaching)
    assert await may_have_deliveries(reaching, partner) == "yes"


async def test_what_the_event_did_not_reach_is_found_at_night(reaching, partner, a_person, clock):
    person = await a_person()
    delivery = await partner.was_given(reaching, person.order)
    await delivered(reaching, person, country="DE")
    clock.ahead(days=3)

    await supervision.look(reaching)

    request = await request_of(reaching, delivery)
    assert request.purge_by == clock() + (DAYS_UNTIL_PURGE - 3) * DAY


async def test_a_deletion_that_comes_first_tells_at_once_and_its_receipt_says_so(
    reaching, partner, a_person, clock
):
    person = await a_person()
    delivery = await partner.was_given(reaching, person.order)
    await arrives(reaching, person)
    clock.ahead(days=2)
    deletion = await wish(reaching, person)

    await run(deletion, by=reaching)

    request = await request_of(reaching, delivery)
    assert request.deletion_id == deletion
    assert request.purge_by == clock() + (DAYS_UNTIL_PURGE - 2) * DAY  # no later than agreed
    assert await jobs(reaching, partners.PURGE, request) == [(request.id, clock())]
    [said] = (await receipt(reaching, deletion))["partners"]
    assert said["delivery"] == delivery


@pytest.mark.parametrize("outcome", [None, "retry", "rejected", "gone"])
async def test_whoever_may_have_it_is_asked_whatever_they_answered(
    reaching, partner, a_person, outcome
):
    """The answer was lost, or refused what had been read; a process died before it came."""
    person = await a_person()
    left = await partner.was_given(reaching, person.order, outcome=outcome)
    never = await partner.was_given(reaching, person.order, outcome="retry", left=False)

    await run(await wish(reaching, person), by=reaching)

    assert await request_of(reaching, left) is not None
    assert await request_of(reaching, never) is None


async def test_a_partner_that_does_not_attest_is_suspended_and_it_is_on_record(
    reaching, partner, a_person, clock, as_owner
):
    person = await a_person()
    delivery = await partner.was_given(reaching, person.order)
    await arrives(reaching, person)
    clock.now = (await request_of(reaching, delivery)).purge_by + supervision.SUSPENDED_AFTER
    await supervision.look(reaching)
    assert await may_have_deliveries(reaching, partner) == "yes"

    clock.now += SLACK
    for _ in range(2):
        await supervision.look(reaching)

    assert await may_have_deliveries(reaching, partner) == "recipient_suspended"
    rows = await as_owner.fetch(
        "SELECT leaf FROM records WHERE convert_from(leaf, 'UTF8') LIKE $1", f"%{partner.id}%"
    )
    [leaf] = [orjson.loads(row["leaf"]) for row in rows]
    assert leaf["reason"] == "recipient_suspended"
    assert leaf["actor"] == "svc_privacy-gateway"


async def test_who_lets_it_go_on_is_not_overruled_until_the_next_one_is_late(
    reaching, partner, a_person, clock
):
    first, second = await a_person(), await a_person()
    for person in (first, second):
        delivery = await partner.was_given(reaching, person.order)
        await arrives(reaching, person)
        clock.ahead(days=3)
    clock.now = (
        (await request_of(reaching, delivery)).purge_by - 2 * DAY + (supervision.SUSPENDED_AFTER)
    )
    await supervision.look(reaching)
    assert await may_have_deliveries(reaching, partner) == "recipient_suspended"
    async with reaching.database.transaction() as tx:
        await registry.set_status(tx, partner.id, "active")

    await supervision.look(reaching)
    assert await may_have_deliveries(reaching, partner) == "yes"

    clock.ahead(days=3)
    await supervision.look(reaching)
    assert await may_have_deliveries(reaching, partner) == "recipient_suspended"


async def test_who_was_gone_is_told_at_the_next_endpoint(reaching, partner, a_person, clock):
    person = await a_person()
    delivery = await partner.was_given(reaching, person.order)
    await arrives(reaching, person)
    request = await request_of(reaching, delivery)
    partner.status = 410
    await partners.tell(request.id, by=reaching, now=clock())
    partner.status = 204

    async with reaching.database.transaction() as tx:
        await partners.tell_again(tx, partner.id)
    await partners.tell(request.id, by=reaching, now=clock())

    assert (await request_of(reaching, delivery)).outcome == "told"
    assert len(partner.told) == 2


async def test_a_delivery_is_asked_for_once_and_not_looked_at_again(
    reaching, partner, a_person, clock
):
    person = await a_person()
    delivery = await partner.was_given(reaching, person.order)
    await arrives(reaching, person)

    async with reaching.database.transaction() as tx:
        again = await partners.ask_ended(tx, None, now=clock())
        assert (await tx.get_one(Delivery, delivery)).purge_asked_at == clock()

    assert again == 0

"""The live stream: every record once, resumable, recorded, and over when the grant is."""

import asyncio
import contextlib
from datetime import UTC, datetime

import httpx
import orjson
import pytest

from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.audit.matching import Matching
from privacy_gateway.domain.audit.stream import MOST_STREAMS, Reader, Streams, TooManyStreams
from privacy_gateway.domain.audit.tail import Tail
from privacy_gateway.domain.tokens.caller import VISITOR
from privity_contracts import ids

from .callers import customer_caller, recorded, staff


@pytest.fixture
async def watching(door, serve):
    """Opens streams over HTTP; gives what comes as dicts of an event's fields."""
    port = await serve(door)

    @contextlib.asynccontextmanager
    async def open_stream(who, body=None, **headers):
        door.caller = who
        async with (
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client,
            client.stream("POST", "/v1/audit/streams", json=body or {}, headers=headers) as answer,
        ):
            yield answer, events(answer)

    return open_stream


async def events(answer):
    fields = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            if "data" in fields:
                yield fields
            fields = {}


async def take(stream, count):
    async with asyncio.timeout(8):
        return [await anext(stream) for _ in range(count)]


def record_of(event):
    return orjson.loads(event["data"])["id"]


async def test_records_come_as_they_are_written(
    watching, log, sequencer, reading, customer, auditor
):
    await log.record([reading()])
    await sequencer.run()

    async with watching(staff(auditor), {"subject": customer, "kind": "read"}) as (answer, stream):
        made = [(await log.record([reading()]))[0].record_id for _ in range(3)]
        await sequencer.run()
        come = await take(stream, 3)

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [record_of(event) for event in come] == made
    assert {event["event"] for event in come} == {"record"}


async def test_who_lost_the_line_goes_on_where_they_were(
    watching, log, sequencer, reading, customer, auditor
):
    search = {"subject": customer, "kind": "read"}
    async with watching(staff(auditor), search) as (_, stream):
        made = [(await log.record([reading()]))[0].record_id for _ in range(4)]
        await sequencer.run()
        first = await take(stream, 2)

    headers = {"Last-Event-ID": first[-1]["id"]}
    async with watching(staff(auditor), search, **headers) as (_, stream):
        rest = await take(stream, 2)

    assert [record_of(event) for event in first + rest] == made


async def test_opening_a_stream_is_recorded_with_whom_it_is_about(
    watching, records, customer, auditor
):
    async with watching(staff(auditor), {"subject": customer}):
        pass

    about = await recorded(records, subject=customer, actor=auditor)
    assert [(each["kind"], each["resource"]) for each in about] == [("audit_read", "stream")]


async def test_the_stream_ends_with_the_grant(watching, door, auditor):
    async with watching(staff(auditor)) as (_, stream):
        door.ended = VISITOR
        [last] = await take(stream, 1)
        rest = [event async for event in stream]

    assert (last["event"], last["data"]) == ("end", '"grant_ended"')
    assert rest == []


async def test_only_reviewers_watch(watching, customer, clerk):
    for who, status in (
        (VISITOR, 401),
        (customer_caller(customer), 403),
        (staff(clerk, role="support_1", purpose="enquiries"), 403),
    ):
        async with watching(who) as (answer, _):
            assert answer.status_code == status


@pytest.mark.parametrize(
    ("body", "headers"),
    [({"subject": "nobody"}, {}), ({}, {"Last-Event-ID": "x"}), ({}, {"Last-Event-ID": "-1"})],
)
async def test_what_makes_no_sense_is_refused(watching, auditor, body, headers):
    async with watching(staff(auditor), body, **headers) as (answer, _):
        assert answer.status_code == 422


async def test_reading_on_is_recorded_every_minute_and_a_silent_line_has_a_heartbeat(
    records, vault, log, sequencer, reading
):
    await sequencer.run()
    now = [0.0]
    noted = []
    streams = Streams(Tail(records), clock=lambda: now[0])

    async def record():
        noted.append(now[0])

    index = await streams.start(None)
    stream = streams.follow(
        index, matching=Matching(Filters(), vault), reader=Reader(record, lambda: True)
    )
    for moment in (1.0, 59.0, 61.0, 100.0, 122.0):
        now[0] = moment
        await log.record([reading()])
        await sequencer.run()
        event = await anext(stream)
        while event.kind == "heartbeat":
            event = await anext(stream)
    now[0] = 200.0

    beat = await anext(stream)

    assert noted == [61.0, 122.0]
    assert (beat.kind, beat.index) == ("heartbeat", event.index)
    await stream.aclose()
    assert streams.open == 0


async def test_nothing_comes_when_reading_on_cannot_be_recorded(
    records, vault, store, new_process, log, sequencer, reading
):
    await sequencer.run()
    now = [0.0]
    streams = Streams(Tail(records), clock=lambda: now[0])
    stopped = await new_process()
    await store.stop()

    async def record():
        await stopped.record([reading()])

    stream = streams.follow(
        await streams.start(None),
        matching=Matching(Filters(), vault),
        reader=Reader(record, lambda: True),
    )
    await log.record([reading()])
    await sequencer.run()
    first = await anext(stream)
    now[0] = 61.0
    await log.record([reading()])
    await sequencer.run()

    come = [event async for event in stream if event.kind != "heartbeat"]

    assert first.kind == "record"
    assert [(event.kind, event.content) for event in come] == [("end", "audit_store_unavailable")]


async def test_there_is_an_end_to_how_many_watch(records):
    streams = Streams(Tail(records))
    streams.open = MOST_STREAMS

    with pytest.raises(TooManyStreams):
        await streams.start(None)


async def test_the_stream_and_the_search_agree_on_what_was_asked_for(
    records, vault, log, sequencer, reading, customer, clerk
):
    await sequencer.run()
    tail = Tail(records)
    index = await tail.size()
    case, order = f"case/{ids.mint('cas')}", f"order/{ids.mint('ord')}"
    begun = datetime.now(UTC)
    await log.record(
        [
            reading(work=case),
            reading(work=order, role="dispatch"),
            reading(kind="disclosure", recipient="rcp_0000000000000000000000000a"),
            reading(actor="svc_orders", actor_kind="service", service="orders"),
            reading(("/n", "user.name", "mask"), decision="refuse", reason="not_yours"),
            reading(subject=ids.mint("cus"), scope=None, resource=None, work=case),
            reading(actor=ids.mint("stf"), work="site/north"),
        ]
    )
    await sequencer.run()
    stretch = await tail.since(index, limit=10_000)
    asked = [
        {"subject": customer},
        {"actor": clerk},
        {"subject": customer, "actor": clerk, "work": case},
        {"actor": "svc_orders"},
        {"role": "dispatch"},
        {"subject": customer, "category": "user.name"},
        {"recipient": "rcp_0000000000000000000000000a"},
        {"work": "site/north"},
        {"decision": "refuse"},
        {"service": "orders"},
        {"subject": ids.mint("cus")},
        {"until": begun},
    ]

    for each in asked:
        filters = Filters(**({"since": begun} | each))
        matching = Matching(filters, vault)
        come = {
            e.record_id for e in stretch.entries if e.members and await matching.holds(e.members)
        }
        page = await records.search(filters, now=datetime.now(UTC), limit=200)
        assert come == {leaf["id"] for leaf in page.leaves}, each


async def test_what_the_log_has_and_the_store_has_not_is_counted(
    records, as_owner, log, sequencer, reading
):
    tail = Tail(records)
    index = await tail.size()
    receipts = [(await log.record([reading()]))[0] for _ in range(3)]
    await sequencer.run()
    await as_owner.execute("DELETE FROM records WHERE id = $1", receipts[1].record_id)

    stretch = await tail.since(index, limit=100)

    assert [e.record_id for e in stretch.entries] == [receipts[0].record_id, receipts[2].record_id]
    assert (stretch.next_index, stretch.missing) == (await tail.size(), 1)

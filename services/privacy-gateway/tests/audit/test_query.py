"""Asking who saw what. What is answered is what the leaf says."""

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.audit.cursor import BadCursor
from privacy_gateway.domain.audit.filters import Filters, Month, statement
from privacy_gateway.domain.audit.log import AuditLog, StoreUnavailable
from privacy_gateway.domain.audit.query import Records, WorkOfNobody
from privacy_gateway.domain.vault.data_keys import DataKeys
from privacy_gateway.domain.vault.key_cache import Place
from privacy_gateway.domain.vault.vault import Vault
from privity_contracts import ids

NOW = datetime.now(UTC)


@pytest.fixture
async def at(audit_database, vault, new_chain):
    """Records accesses as if it were another time."""
    opened = []

    async def record(moment, accesses):
        log = AuditLog(audit_database.runtime, vault, new_chain(), clock=lambda: moment)
        await log.start()
        opened.append(log)
        return [receipt.record_id for receipt in await log.record(accesses)]

    yield record
    for log in opened:
        await log.close()


def ids_of(page):
    return [leaf["id"] for leaf in page.leaves]


async def everything(records, filters, *, limit):
    found, cursor, pages = [], None, 0
    while True:
        page = await records.search(filters, now=NOW, limit=limit, cursor=cursor)
        found += ids_of(page)
        pages += 1
        cursor = page.next_cursor
        if cursor is None:
            return found, pages


async def test_a_customers_records_are_found_and_no_strangers(log, records, reading, customer):
    stranger = ids.mint("cus")
    [mine] = await log.record([reading()])
    await log.record([reading(subject=stranger, scope=f"account/{stranger}", resource=stranger)])

    page = await records.search(Filters(subject=customer), now=NOW)

    assert ids_of(page) == [mine.record_id]
    assert page.next_cursor is None


async def test_what_somebody_did_is_found(log, records, reading, clerk):
    people = [ids.mint("cus") for _ in range(3)]
    receipts = await log.record(
        [reading(subject=one, scope=f"account/{one}", resource=one) for one in people]
    )
    await log.record([reading(actor=ids.mint("stf"))])

    page = await records.search(Filters(actor=clerk), now=NOW)

    assert set(ids_of(page)) == {receipt.record_id for receipt in receipts}


async def test_what_a_service_did_to_somebody_is_found(log, records, reading, customer):
    [receipt] = await log.record([reading(actor="svc_orders", actor_kind="service")])
    await log.record([reading()])

    page = await records.search(Filters(subject=customer, actor="svc_orders"), now=NOW)

    assert ids_of(page) == [receipt.record_id]


@pytest.mark.parametrize(
    "asked",
    [
        {"purpose": "delivery"},
        {"kind": "disclosure"},
        {"decision": "refuse"},
        {"role": "dispatch"},
        {"service": "logistics-adapter"},
        {"recipient": "rcp_0000000000000000000000000a"},
        {"work": "site/north"},
    ],
    ids=lambda asked: next(iter(asked)),
)
async def test_each_filter_finds_what_it_names_alone_and_together(
    log, records, reading, customer, clerk, asked
):
    [hit] = await log.record([reading(**asked)])
    await log.record([reading()])
    since = datetime.now(UTC) - timedelta(minutes=1)

    for filters in (
        Filters(subject=customer, **asked),
        Filters(actor=clerk, **asked),
        Filters(subject=customer, actor=clerk, since=since, **asked),
    ):
        assert ids_of(await records.search(filters, now=NOW)) == [hit.record_id]
    alone = await records.search(Filters(since=since, **asked), now=NOW, limit=200)
    assert hit.record_id in ids_of(alone)
    for name, value in asked.items():
        assert {leaf[name] for leaf in alone.leaves} == {value}


async def test_records_are_found_by_one_of_their_categories(log, records, reading, customer):
    [hit] = await log.record(
        [reading(("/n", "user.name", "withhold"), ("/p", "user.contact.phone_number", "mask"))]
    )
    await log.record([reading()])

    for category in ("user.name", "user.contact.phone_number"):
        page = await records.search(Filters(subject=customer, category=category), now=NOW)
        assert ids_of(page) == [hit.record_id]
    assert ids_of(await records.search(Filters(subject=customer, category="user"), now=NOW)) == []


@pytest.mark.parametrize("changes", [{}, {"purpose": "delivery"}, {"decision": "refuse"}])
async def test_a_rare_category_is_found_stretch_by_stretch(
    audit_database, vault, log, reading, changes
):
    """However many records there are, a page costs one stretch of them."""
    begun = datetime.now(UTC)
    rare = [("/x", "user.rare", "reveal")]
    made = []
    for turn in range(40):
        fields = rare if turn % 13 == 0 else [("/e", "user.contact.email", "reveal")]
        [receipt] = await log.record([reading(*fields, **changes)])
        if turn % 13 == 0:
            made.append(receipt.record_id)
    records = Records(audit_database.runtime, vault, stretch_records=7)

    found, pages = await everything(
        records, Filters(category="user.rare", since=begun, **changes), limit=50
    )
    by_two, _ = await everything(
        records, Filters(category="user.rare", since=begun, **changes), limit=2
    )

    assert found == by_two == made[::-1]
    assert 6 <= pages <= 8
    records.close()


async def test_work_is_found_for_the_customer_and_for_whoever_did_it(
    log, records, reading, customer, clerk
):
    """A record about a customer has it under the customer's key, one about nobody the actor's."""
    case = f"case/{ids.mint('cas')}"
    [seen, granted] = await log.record(
        [
            reading(work=case),
            reading(work=case, kind="grant", subject=None, scope=None, resource=None, fields=()),
        ]
    )
    await log.record([reading(), reading(work=f"case/{ids.mint('cas')}")])

    about = await records.search(Filters(subject=customer, work=case), now=NOW)
    by = await records.search(Filters(actor=clerk, work=case), now=NOW)
    both = await records.search(Filters(actor=clerk, subject=customer, work=case), now=NOW)

    assert ids_of(about) == ids_of(both) == [seen.record_id]
    assert ids_of(by) == [granted.record_id]
    with pytest.raises(WorkOfNobody):
        await records.search(Filters(work=case), now=NOW)


async def test_no_other_member_of_a_leaf_passes_for_the_one_that_is_asked_for(
    log, records, reading, customer
):
    """Names of fields stand in leaves too."""
    await log.record([reading(("service", "user.name", "mask"), ("orders", "user.name", "mask"))])

    page = await records.search(Filters(subject=customer, service="orders"), now=NOW)

    assert ids_of(page) == []


async def test_since_is_included_and_until_is_not(at, records, reading, customer):
    moments = [NOW - timedelta(seconds=10 - n) for n in range(5)]
    made = [(await at(moment, [reading()]))[0] for moment in moments]

    page = await records.search(
        Filters(subject=customer, since=moments[1], until=moments[3]), now=NOW
    )

    assert ids_of(page) == [made[2], made[1]]


async def test_records_of_other_months_are_found_too(
    at, audit_database, keys_database, key_file, reading, customer, clerk
):
    """Tags change every month; the person's key says since when there are any."""
    months = [NOW - timedelta(days=31 * n) for n in range(14)]
    made = [(await at(moment, [reading()]))[0] for moment in months]
    owner = await asyncpg.connect(for_driver(keys_database.owner))
    await owner.execute(
        "UPDATE data_keys SET created_at = $1 WHERE subject = ANY($2::text[])",
        months[-1],
        [customer, clerk],
    )
    await owner.close()
    keys = DataKeys(keys_database.runtime, key_file, deadline_seconds=10)
    await keys.start()
    records = Records(
        audit_database.runtime, Vault(keys, index_key=b"i" * 32, request_key=b"r" * 32)
    )

    for filters in (
        Filters(subject=customer),
        Filters(actor=clerk),
        Filters(subject=customer, actor=clerk),
    ):
        assert (await everything(records, filters, limit=5))[0] == made
    records.close()
    await keys.close()


@pytest.mark.parametrize("limit", [1, 3, 7, 24, 25, 100])
async def test_pages_hold_every_record_once_newest_first(log, records, reading, customer, limit):
    made = []
    for _ in range(5):
        made += [receipt.record_id for receipt in await log.record([reading()] * 5)]

    found, pages = await everything(records, Filters(subject=customer), limit=limit)

    assert sorted(found) == sorted(made)
    assert pages == -(-25 // limit)
    page = await records.search(Filters(subject=customer), now=NOW)
    assert [leaf["at"] for leaf in page.leaves] == sorted(
        (leaf["at"] for leaf in page.leaves), reverse=True
    )


async def test_records_that_arrive_meanwhile_do_not_shift_the_pages(
    log, records, reading, customer
):
    made = [(await log.record([reading()]))[0].record_id for _ in range(6)]
    first = await records.search(Filters(subject=customer), now=NOW, limit=3)
    await log.record([reading()] * 3)

    second = await records.search(
        Filters(subject=customer), now=NOW, limit=3, cursor=first.next_cursor
    )

    assert ids_of(first) + ids_of(second) == made[::-1]


async def test_a_cursor_that_was_altered_is_refused(log, records, reading, customer):
    await log.record([reading()] * 3)
    page = await records.search(Filters(subject=customer), now=NOW, limit=1)
    cursor = page.next_cursor

    altered = [cursor[:n] + ("A" if cursor[n] != "A" else "B") + cursor[n + 1 :] for n in range(40)]
    for bad in [*altered, cursor[:-4], cursor + "AAAA", "A", "", "ä"]:
        with pytest.raises(BadCursor):
            await records.search(Filters(subject=customer), now=NOW, limit=1, cursor=bad)


async def test_a_cursor_belongs_to_its_search(log, records, reading, customer, clerk):
    await log.record([reading()] * 3)
    page = await records.search(Filters(subject=customer), now=NOW, limit=1)

    for other in (Filters(subject=ids.mint("cus")), Filters(subject=customer, actor=clerk)):
        with pytest.raises(BadCursor):
            await records.search(other, now=NOW, limit=1, cursor=page.next_cursor)


async def test_one_record_is_given_as_it_was_stored(log, records, reading):
    [receipt] = await log.record([reading(role="support_1")])

    leaf, agrees = await records.get(receipt.record_id)

    assert (leaf["id"], leaf["role"], agrees) == (receipt.record_id, "support_1", True)
    assert await records.get(ids.mint("rec")) is None


@pytest.mark.parametrize(
    "change",
    [
        "purpose = 'delivery'",
        "kind = 'session'",
        "decision = 'refuse'",
        "role = 'auditor'",
        "recorded_at = recorded_at + interval '1 second'",
        "categories = '{user.name}'",
        "subject_tag = 't1:other'",
        "actor_tag = 't1:other'",
        "leaf = convert_to(replace(convert_from(leaf, 'UTF8'), 'enquiries', 'delivery'), 'UTF8')",
        "leaf = '\\x7b7d'",
        "leaf = '\\x00'",
    ],
)
async def test_a_record_whose_index_disagrees_with_its_leaf_is_named_and_not_believed(
    log, records, reading, as_owner, change
):
    [receipt] = await log.record([reading(("/e", "user.contact.email", "mask"))])
    moment = datetime.now(UTC)
    alter = f"UPDATE records SET {change} WHERE id = $1"  # noqa: S608  # one of those above
    await as_owner.execute(alter, receipt.record_id)
    window = Filters(since=moment - timedelta(seconds=30))

    page = await records.search(window, now=NOW, limit=200)

    assert receipt.record_id in page.altered
    assert receipt.record_id not in ids_of(page)
    await as_owner.execute("DELETE FROM records WHERE id = $1", receipt.record_id)


async def test_somebody_unknown_or_erased_has_no_records_and_gets_no_key(
    log, records, reading, destroy, vault, customer
):
    nobody = ids.mint("cus")
    await log.record([reading()])
    assert ids_of(await records.search(Filters(subject=nobody), now=NOW)) == []
    assert await vault.known_since(nobody) is None

    await destroy(Place(customer, f"account/{customer}", "audit_tag"), now=NOW)

    assert ids_of(await records.search(Filters(subject=customer), now=NOW)) == []


async def test_a_store_that_does_not_answer_is_said_to_be_so(store, vault):
    reader = Records(store.urls.runtime, vault, deadline_seconds=0.3)
    async with store.locked():
        outcomes = await asyncio.gather(
            *(reader.search(Filters(), now=NOW) for _ in range(6)), return_exceptions=True
        )
    after = await reader.search(Filters(), now=NOW)
    reader.close()

    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    assert after.leaves == []


@pytest.mark.parametrize(
    "filters",
    [
        Filters(subject="x"),
        Filters(subject="x", actor="stf_y"),
        Filters(purpose="delivery"),
        Filters(decision="refuse"),
        Filters(kind="disclosure"),
        Filters(actor="svc_orders"),
        Filters(subject="x", role="dispatch", service="orders"),
        Filters(),
    ],
    ids=lambda filters: (
        "+".join(name for name, value in dataclasses.asdict(filters).items() if value) or "all"
    ),
)
async def test_the_newest_records_come_from_an_index_without_sorting_them_all(as_owner, filters):
    months = [Month("t1:a", "t1:b")] if filters.subject or filters.actor else None
    question, *arguments = statement(filters, months, None, 50)
    async with as_owner.transaction():
        # As the lines for reading have it.
        for other in ("seqscan", "bitmapscan"):
            await as_owner.execute(f"SET LOCAL enable_{other} = off")
        rows = await as_owner.fetch(f"EXPLAIN {question}", *arguments)

    plan = "\n".join(row[0] for row in rows)
    assert "Index" in plan
    assert "Seq Scan" not in plan
    # By month the few newest of each are sorted; without months nothing is.
    assert ("Sort" in plan) == (months is not None)

"""A customer's read from a published view: the same as through the service, or through it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import asyncpg
import orjson
import pytest
from pydantic import SecretStr

from privacy_gateway.api.arrival import Arrival
from privacy_gateway.api.forwarding import Forwarding
from privacy_gateway.clients.line import for_driver
from privacy_gateway.clients.published import Published, View
from privacy_gateway.clients.services import Services
from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.passage.inbound import Inbound
from privacy_gateway.domain.tokens.caller import VISITOR, Caller
from privity_contracts import ids
from privity_rest import NotFound, Refusal

FIELDS = {
    "recipient": ("user.name", "Alice Example"),
    "phone": ("user.contact.phone_number", "+493023125001"),
    "line1": ("user.contact.address.street", "Musterstraße 1"),
    "city": ("user.contact.address.city", "Berlin"),
    "postal_code": ("user.contact.address.postal_code", "10115"),
}
COLUMNS = ("id", "subject_id", *FIELDS, "line2", "region", "country")
TABLE = ", ".join(f"{column} text" for column in COLUMNS)
VIEW_OF_ALL = "CREATE VIEW published.addresses_v1 AS SELECT * FROM addresses"


@pytest.fixture(scope="module")
def database(make_database):
    return make_database("publishing", apart=("reader",))


@pytest.fixture
async def owner(database):
    """Whoever publishes, on a view of their own for each test."""
    connection = await asyncpg.connect(for_driver(database.owner))
    reader = database.apart["reader"].split("//")[1].split(":")[0]
    for statement in (
        "CREATE SCHEMA published",
        f"CREATE TABLE addresses ({TABLE})",
        VIEW_OF_ALL,
        f"GRANT USAGE ON SCHEMA published TO {reader}",
        f"GRANT SELECT ON published.addresses_v1 TO {reader}",
    ):
        await connection.execute(statement)
    yield connection
    await connection.execute("DROP SCHEMA published CASCADE")
    await connection.execute("DROP TABLE addresses")
    await connection.close()


@pytest.fixture
async def door(contracts, outbound, vault, log, behind, database, owner):
    publishing = behind.endpoint("customers").model_copy(
        update={"published_url": SecretStr(database.apart["reader"])}
    )
    async with Services({"customers": publishing, "orders": behind.endpoint("orders")}) as services:
        forwarding = Forwarding(
            contracts,
            inbound=Inbound(vault=vault, audit=log, services=services, assignees=None),
            outbound=outbound,
            services=services,
            audit=log,
            sessions=None,
        )

        async def ask(who: Caller, address: str) -> Any:
            sent: list[Any] = []

            async def send(message: Any) -> None:
                sent.append(message)

            path = f"/v1/addresses/{address}"
            match = forwarding.find("GET", path)
            scope = {"path": path, "query_string": b"", "privity.caller": who}
            await forwarding.answer(match, scope, Arrival(request_id=ids.mint("req")), send)
            return sent[1]["body"]

        yield ask


def customer(subject: str) -> Caller:
    return replace(
        VISITOR,
        kind="customer",
        actor=subject,
        subject=subject,
        role="customer",
        purpose="self_service",
    )


@pytest.fixture
def an_address(vault, contracts, owner, behind):
    """Sealed for its owner; it stands in the view, with the service, or in both."""

    async def make(
        *, published: bool = True, served: bool = True, claimed: str | None = None
    ) -> Any:
        subject, address = ids.mint("cus"), ids.mint("adr")
        classes = contracts.current.policy.classes
        tokens = await vault.seal(
            subject, f"account/{subject}", list(FIELDS.values()), classes=classes
        )
        row = dict.fromkeys(COLUMNS) | dict(zip(FIELDS, tokens, strict=True))
        row |= {"id": address, "subject_id": claimed or subject, "country": "DE"}
        if published:
            places = ", ".join(f"${n}" for n in range(1, len(COLUMNS) + 1))
            await owner.execute(
                f"INSERT INTO addresses VALUES ({places})",  # noqa: S608  # numbers
                *(row[column] for column in COLUMNS),
            )
        if served:
            behind.says("customers", f"/v1/addresses/{address}", row)
        return SimpleNamespace(id=address, subject=subject, row=row)

    return make


def without_record(body: bytes) -> Any:
    content = orjson.loads(body)
    assert content["privacy"].pop("record").startswith("rec_")
    return content


async def test_what_is_published_is_given_as_the_service_would_have_it(door, an_address, behind):
    address = await an_address(served=False)
    read = await door(customer(address.subject), address.id)
    asked = list(behind.asked)
    behind.says("customers", f"/v1/addresses/{address.id}", address.row)
    unpublished = await an_address(published=False)
    await door(customer(unpublished.subject), unpublished.id)

    content = without_record(read)
    assert asked == []
    assert [path for _, _, path, _, _ in behind.asked] == [f"/v1/addresses/{unpublished.id}"]
    assert {name: content[name] for name in FIELDS} == {n: text for n, (_, text) in FIELDS.items()}
    assert (content["line2"], content["country"]) == (None, "DE")


async def test_both_ways_give_the_same_answer(door, an_address, owner):
    address = await an_address()

    from_view = await door(customer(address.subject), address.id)
    await owner.execute("DELETE FROM addresses")
    from_service = await door(customer(address.subject), address.id)

    assert without_record(from_view) == without_record(from_service)


async def test_it_is_on_record_like_any_read(door, an_address, audit_database, vault):
    address = await an_address(served=False)

    await door(customer(address.subject), address.id)

    records = Records(audit_database.runtime, vault)
    page = await records.search(Filters(subject=address.subject), now=datetime.now(UTC))
    records.close()
    (leaf,) = page.leaves
    assert (leaf["kind"], leaf["purpose"], leaf["service"]) == ("read", "self_service", "customers")
    assert set(leaf["fields"]["reveal"]) >= {"user.name", "user.contact.phone_number"}


async def test_somebody_elses_and_nobodys_address_are_the_services_to_refuse(
    door, an_address, behind
):
    address, stranger = await an_address(served=False), customer(ids.mint("cus"))

    for asked in (address.id, ids.mint("adr")):
        with pytest.raises(Refusal) as refused:
            await door(stranger, asked)
        assert refused.value.status in {404, 503}
        assert behind.asked[-1][2] == f"/v1/addresses/{asked}"


async def test_a_view_that_claims_a_row_for_somebody_else_gives_nothing(door, an_address):
    thief = ids.mint("cus")
    address = await an_address(served=False, claimed=thief)

    with pytest.raises(NotFound):
        await door(customer(thief), address.id)


@pytest.mark.parametrize(
    "broken",
    [
        "DROP VIEW published.addresses_v1",
        "ALTER VIEW published.addresses_v1 RENAME COLUMN city TO town",
        "REVOKE ALL ON SCHEMA published FROM PUBLIC, {reader}",
        "ALTER ROLE {reader} CONNECTION LIMIT 0",
    ],
)
async def test_without_the_view_the_service_is_asked(
    door, an_address, owner, database, behind, broken
):
    address = await an_address()
    reader = database.apart["reader"].split("//")[1].split(":")[0]
    admin = await asyncpg.connect(for_driver(database.admin))

    await admin.execute(broken.format(reader=reader))
    read = await door(customer(address.subject), address.id)
    await admin.execute(f"ALTER ROLE {reader} CONNECTION LIMIT -1")
    await admin.close()

    assert without_record(read)["city"] == "Berlin"
    assert len(behind.asked) == 1


VIEW = View("addresses_v1", "id", "subject_id", COLUMNS)


async def test_who_asks_at_once_shares_a_query_and_gets_their_own_row(database, an_address):
    addresses = [await an_address() for _ in range(20)]
    strangers = [(one.id, ids.mint("cus")) for one in addresses]
    published = Published(database.apart["reader"], VIEW, deadline_seconds=20)

    own = [published.row(one.id, subject=one.subject) for one in addresses]
    others = [published.row(key, subject=subject) for key, subject in strangers]
    given_up = asyncio.ensure_future(published.row(addresses[0].id, subject=addresses[0].subject))
    await asyncio.sleep(0)
    given_up.cancel()
    rows = await asyncio.gather(*own, *others)
    published.close()

    assert [row and row["id"] for row in rows[:20]] == [one.id for one in addresses]
    assert rows[20:] == [None] * 20


async def test_a_view_that_hangs_is_left_to_the_service_and_comes_back(database, an_address, owner):
    address, now = await an_address(), [0.0]
    published = Published(
        database.apart["reader"], VIEW, deadline_seconds=0.3, clock=lambda: now[0]
    )
    assert await published.row(address.id, subject=address.subject) is not None

    async with owner.transaction():
        await owner.execute("LOCK TABLE addresses IN ACCESS EXCLUSIVE MODE")
        hanging = await published.row(address.id, subject=address.subject)
    meanwhile = await published.row(address.id, subject=address.subject)
    now[0] += 6
    for _ in range(50):
        back = await published.row(address.id, subject=address.subject)
        now[0] += 6
        if back is not None:
            break
    published.close()

    assert (hanging, meanwhile) == (None, None)
    assert back["id"] == address.id


@pytest.mark.parametrize("key", ["a b", "' OR true --", ""])
async def test_no_key_is_more_than_one_key(database, an_address, key):
    address = await an_address()
    published = Published(database.apart["reader"], VIEW, deadline_seconds=20)

    assert await published.row(key, subject=address.subject) is None
    assert await published.row(f"{address.id} {key}", subject=address.subject) is None
    published.close()


def test_a_name_that_needs_quoting_is_none():
    with pytest.raises(ValueError, match="plain"):
        _ = View("addresses_v1 --", "id", "subject_id", COLUMNS).statement

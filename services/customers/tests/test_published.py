"""What stands in a published view is what the service answers, and nothing else can be read."""

import secrets

import asyncpg
import pytest

from .test_addresses import add, an_address


@pytest.fixture
async def reader(door):
    """The role that the gateway reads published views with."""
    connection = await asyncpg.connect(door.urls.apart["reader"].replace("+asyncpg", ""))
    yield connection
    await connection.close()


async def answered(door, customer, address):
    """What the service says: its answer, or nothing where it says that there is none."""
    answer = await door.ask("GET", f"/v1/addresses/{address}", customer=customer)
    assert answer.status_code in {200, 404}
    return answer.json() if answer.status_code == 200 else None


async def published(reader, customer, address):
    row = await reader.fetchrow(
        "SELECT * FROM published.addresses_v1 WHERE id = $1 AND subject_id = $2",
        address,
        customer.account_id,
    )
    return None if row is None else dict(row)


async def test_a_published_address_is_what_the_service_answers(door, a_customer, reader):
    owner, stranger = await a_customer(), await a_customer()
    everything = an_address(door, line2="Hinterhaus", region="BE")
    kept = [(await add(door, owner, each)).json()["id"] for each in (None, everything)]
    gone, changed = [(await add(door, owner)).json()["id"] for _ in range(2)]
    await door.ask("DELETE", f"/v1/addresses/{gone}", customer=owner)
    await door.ask("PUT", f"/v1/addresses/{changed}", everything, customer=owner)

    for address in (*kept, gone, changed, "adr_" + "0" * 26):
        for customer in (owner, stranger):
            said = await answered(door, customer, address)
            assert await published(reader, customer, address) == said
            assert (said is not None) == (customer is owner and address in {*kept, changed})


async def test_its_columns_are_the_members_of_the_answer_in_the_contract(door, reader):
    schemas = door.app.openapi()["components"]["schemas"]
    columns = await reader.fetch(
        "SELECT attname FROM pg_attribute"
        " WHERE attrelid = 'published.addresses_v1'::regclass AND attnum > 0"
    )

    assert [row[0] for row in columns] == list(schemas["AddressView"]["properties"])


async def test_who_reads_what_is_published_can_read_and_write_nothing_else(door, reader):
    owner = await asyncpg.connect(door.urls.owner.replace("+asyncpg", ""))
    found = await owner.fetch(
        "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm')"
        " AND relnamespace IN ('public'::regnamespace, 'published'::regnamespace)"
    )
    await owner.close()
    relations = {row["name"] for row in found} - {"published.addresses_v1"}

    assert {"addresses", "accounts", "sessions"} <= relations
    for relation in relations:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute(f"SELECT 1 FROM {relation}")  # noqa: S608  # its catalogue's
    for forbidden in (
        "UPDATE published.addresses_v1 SET country = 'FR'",
        "DELETE FROM published.addresses_v1",
        "INSERT INTO published.addresses_v1 (id) VALUES ('x')",
        f"CREATE TABLE published.t{secrets.token_hex(4)} ()",
        f"CREATE TABLE public.t{secrets.token_hex(4)} ()",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await reader.execute(forbidden)

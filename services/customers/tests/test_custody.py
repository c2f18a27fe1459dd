"""What the service holds and says about people: nothing that anyone can read."""

import re
import signal

import asyncpg
import pytest

from .casework import CaseWorker, close, open_case, write

CATEGORY_OF = {
    "recipient": "user.name",
    "phone": "user.contact.phone_number",
    "line1": "user.contact.address.street",
    "city": "user.contact.address.city",
}
# Everything that a text column of this database may hold.
FORMS = re.compile(
    r"""s1:key_[0-9a-z]{26}:[a-z_.]+:[\w-]+            # sealed
    | (sign_in/)?b1:\d+:[\w-]{32}                      # a blind index
    | (password/)?[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}      # an id
    | \$argon2id\$v=19\$m=\d+,t=\d,p=1\$[\w+/]+\$[\w+/]+
    | pending | active | [A-Z]{2} | f{43}              # states, a country, a fingerprint
    | registration_letter | email_change_letter | sweep | \d{4}-\d\d-\d\dT\d\d
    | \{("request_id":\ "[a-z]{3}_\w{26}")?\}          # a job's payload
    | event | \{"id":\ "evt_\w{26}",\ ("[a-z_]+":\ ("[\w.:-]+"|\{[\w":\ ,]+\})(,\ )?)+\}
    | enquiry | open | assigned | closed | opened | written | resolved | customer | support_1
    | marketing | \d{4}-\d\d-\d\d                       # a consent, a version of the policy
    | \d{4}                                            # the migration
    """,
    re.VERBOSE,
)


async def tables(connection):
    rows = await connection.fetch(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    return [row[0] for row in rows]


async def dump(connection):
    """Every row of every table, as the service's own role can copy it out."""
    raw = bytearray()

    async def take(data):
        raw.extend(data)

    for table in await tables(connection):
        await connection.copy_from_table(table, output=take, format="csv")
    return raw.decode()


async def readable(connection):
    """Texts that are in none of the forms."""
    found = []
    for table in await tables(connection):
        for row in await connection.fetch(f'SELECT * FROM "{table}"'):  # noqa: S608  # its own catalogue's
            found += [
                f"{table}.{column}"
                for column, value in row.items()
                if isinstance(value, str) and FORMS.fullmatch(value) is None
            ]
    return found


def seen(secret, text):
    """Whether it is there, as text or as bytes, and not by chance within a longer number."""
    as_it_is = re.search(rf"(?<![0-9]){re.escape(secret)}(?![0-9])", text) is not None
    return as_it_is or secret.encode().hex() in text


async def an_eventful_day(door, a_person):
    """Everything that a customer can do, and what goes wrong with it. Returns all that is secret:
    what is readable to the gateway alone, and what only its owner knows."""
    person, stranger, elsewhere = a_person(), a_person(), a_person()
    stranger.email = person.email
    begun = (await door.register(person)).json()["id"]
    code = (await door.letter(person))["facts"]["code"]
    await door.confirm(begun, "99999999")
    await door.confirm(begun, code)
    await door.register(stranger)
    await door.letter(person, number=2)
    await door.sign_in(person, "a wrong guess at it")
    customer = await door.signed_in(person)
    kept = (await door.refresh(customer.refresh_token)).json()["refresh_token"]
    await door.refresh(customer.refresh_token)
    customer = await door.signed_in(person)
    sealed = {
        name: door.sealing.seal(category, f"the {name}") for name, category in CATEGORY_OF.items()
    }
    address = {**sealed, "country": "DE"}
    keys = {"idempotency_key": "call me Ada", "privity_fingerprint": "f" * 43}
    added = await door.ask("POST", "/v1/addresses", address, customer=customer, **keys)
    assert added.status_code == 201
    await door.ask("GET", f"/v1/addresses/{added.json()['id']}", customer=customer)
    wish = {
        "email": door.sealing.seal("user.contact.email", elsewhere.email),
        "email_index": door.sealing.index("user.contact.email", elsewhere.email),
        "password": person.password,
    }
    await door.ask("POST", "/v1/profile/email", wish, customer=customer)
    second_code = (await door.letter(elsewhere))["facts"]["code"]
    change = {"current": person.password, "new": "another battery staple"}
    assert (await door.ask("PUT", "/v1/password", change, customer=customer)).status_code == 204
    await a_case(door, customer)
    return [
        *(text for p in (person, stranger, elsewhere) for text in (p.name, p.email, p.phone)),
        *(person.password, stranger.password, "another battery staple", "a wrong guess at it"),
        *(code, second_code, customer.refresh_token, kept, "call me Ada"),
        *(f"the {name}" for name in CATEGORY_OF),
        *("Where is my tea?", "On its way to Quendelhausen"),
    ]


async def a_case(door, customer):
    worker = CaseWorker(door)
    opened = await open_case(door, customer, text="Where is my tea?")
    case_id = opened.json()["id"]
    assert (await worker.take(case_id)).status_code == 200
    await write(door, case_id, "On its way to Quendelhausen", **worker.on(case_id))
    assert (await close(door, case_id, "resolved", **worker.on(case_id))).status_code == 200
    for wish in ({"given": True, "policy_version": door.gateway.policy}, {"given": False}):
        said = await door.ask("PUT", "/v1/consents/marketing", wish, customer=customer)
        assert said.status_code == 200


async def test_neither_the_database_nor_the_log_holds_anything_readable(process, a_person):
    await process.start()
    secret_texts = await an_eventful_day(process.door, a_person)
    connection = await asyncpg.connect(process.door.urls.runtime.replace("+asyncpg", ""))

    dumped = await dump(connection)
    unexpected = await readable(connection)
    assert process.stop(signal.SIGTERM) in {0, -signal.SIGTERM}
    logged = process.log.read_text()

    assert unexpected == []
    assert [text for text in secret_texts if seen(text, dumped)] == []
    assert [text for text in secret_texts if seen(text, logged)] == []
    assert "b1:" not in logged
    assert "s1:" not in logged
    assert "refresh_token_reused" in logged  # it does log what matters, by the session's id
    # The search finds what is there to be found.
    await connection.execute("UPDATE accounts SET name = 'Ada Lovelace'")
    assert set(await readable(connection)) == {"accounts.name"}
    assert seen("Ada Lovelace", await dump(connection))
    await connection.close()


async def test_the_services_role_can_change_rows_and_nothing_else(door):
    connection = await asyncpg.connect(door.urls.runtime.replace("+asyncpg", ""))

    for statement in (
        "CREATE TABLE mine (id int)",
        "ALTER TABLE accounts ADD COLUMN readable text",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()


async def test_a_letter_outlives_the_process_that_owes_it(process, a_person):
    person, gateway = a_person(), process.door.gateway
    await process.start()
    gateway.closed = True

    begun = (await process.door.register(person)).json()["id"]
    await process.door.tried(person)
    process.stop(signal.SIGKILL)
    gateway.closed = False
    await process.start()
    letter = await process.door.letter(person)

    assert (await process.door.confirm(begun, letter["facts"]["code"])).status_code == 200

"""Accounts are found, and stay apart, while one key of the blind index takes over from another."""

import asyncio

import pytest
from sqlalchemy import text

from customers.domain.attempts import PASSWORD
from privity_contracts import BlindIndex, Sealed

from .test_holdings import GATEWAY
from .test_profile import EMAIL, PHONE, ask_for_email, confirm_email

BEFORE, OVERLAP, AFTER = (0,), (0, 1), (1,)


@pytest.fixture
def key(door):
    """Says which keys count from here on; at the end it is the first one again."""

    def count(generations):
        door.sealing.generations = generations

    yield count
    door.sealing.generations = BEFORE


@pytest.fixture(autouse=True)
async def alone(door):
    """What other tests left would be made anew with the rest."""
    async with door.app.state.database.transaction() as tx:
        await tx.execute(text("DELETE FROM accounts"))
    yield
    async with door.app.state.database.transaction() as tx:
        await tx.execute(text("DELETE FROM accounts"))


async def told(door, path, **body):
    answer = await door.ask("POST", f"/v1/indexes{path}", body, **GATEWAY)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def renewal(door, item):
    category = Sealed(item["value"]).category
    index = door.sealing.index(category, door.sealing.plaintexts[item["value"]])
    return {"place": item["place"], "row": item["row"], "value": item["value"], "index": index}


async def fill(door, *, generation=1, limit=500, pages=1000):
    """Makes anew what is outdated, as the gateway does; stops after so many pages."""
    after, renewed = "", 0
    while after is not None and pages:
        page = await told(door, "", generation=generation, after=after, limit=limit)
        after, pages = page["after"], pages - 1
        if page["items"]:
            items = [await renewal(door, item) for item in page["items"]]
            renewed += (await told(door, "/renewals", items=items))["renewed"]
    return renewed


async def standing(door, generation=1):
    found = await told(door, "/standing", generation=generation)
    return found["values"], found["outdated"], found["earlier"]


async def pending(door, person, *, number=1):
    """A registration and the code that was written for it."""
    begun = (await door.register(person)).json()["id"]
    return begun, (await door.letter(person, number=number))["facts"].get("code", "none")


async def test_everybody_is_found_at_every_moment_of_a_change_of_keys(door, a_customer, key):
    early = await a_customer()
    key(OVERLAP)
    later = await a_customer()

    async def both_sign_in():
        for who in (early, later):
            assert (await door.sign_in(who.person)).status_code == 201

    await both_sign_in()
    assert await standing(door) == (4, 2, 4)
    assert await fill(door, limit=1) == 2
    await both_sign_in()
    assert await standing(door) == (4, 0, 4)
    key(AFTER)
    await both_sign_in()
    assert await told(door, "/retirements", generation=1, limit=3) == {"removed": 3}
    assert await told(door, "/retirements", generation=1, limit=3) == {"removed": 1}
    assert await told(door, "/retirements", generation=1, limit=3) == {"removed": 0}
    await both_sign_in()
    assert await standing(door) == (4, 0, 0)
    key((1, 2))
    assert await fill(door, generation=2) == 4
    key((2,))
    await both_sign_in()


@pytest.mark.parametrize(("first", "second"), [(BEFORE, OVERLAP), (OVERLAP, BEFORE)])
async def test_one_address_has_one_account_across_a_change_of_keys(
    door, a_person, key, first, second
):
    one, other = a_person(), a_person()
    other.email = one.email
    key(first)
    begun, code = await pending(door, one)
    key(second)
    begun_too, code_too = await pending(door, other, number=2)

    answers = await asyncio.gather(door.confirm(begun, code), door.confirm(begun_too, code_too))

    assert sorted(answer.status_code for answer in answers) == [200, 422]


async def test_with_no_key_in_common_one_address_would_have_two_accounts(door, a_person, key):
    """Why two keys count at a time: this is what it looks like without."""
    one, other = a_person(), a_person()
    other.email = one.email
    begun, code = await pending(door, one)
    await door.confirm(begun, code)
    key(AFTER)
    begun, code = await pending(door, other, number=2)

    assert (await door.confirm(begun, code)).status_code == 200


async def test_what_was_pending_before_meets_the_owner_after(door, a_person, key):
    stranger, owner = a_person(), a_person()
    stranger.email = owner.email
    begun, code = await pending(door, stranger)
    key(OVERLAP)
    await fill(door)
    key(AFTER)
    owned, own_code = await pending(door, owner, number=2)
    assert (await door.confirm(owned, own_code)).status_code == 200

    assert (await door.confirm(begun, code)).status_code == 422
    await door.register(stranger)
    assert (await door.letter(owner, number=3))["template"] == "already_registered"


async def test_a_wish_for_an_address_outlives_a_change_of_keys(door, a_customer, a_person, key):
    customer, wanted = await a_customer(), a_person()
    await ask_for_email(door, customer, wanted.email)
    code = (await door.letter(wanted))["facts"]["code"]
    key(OVERLAP)
    await fill(door)
    key(AFTER)

    assert (await confirm_email(door, customer, code)).status_code == 200
    customer.person.email = wanted.email
    assert (await door.sign_in(customer.person)).status_code == 201


async def test_what_changed_meanwhile_is_not_overwritten(door, a_customer, key):
    customer = await a_customer()
    key(OVERLAP)
    page = await told(door, "", generation=1)
    items = [await renewal(door, item) for item in page["items"]]
    phone, index = "+49301234567", door.sealing.index(PHONE, "+49301234567")
    changed = {"phone": door.sealing.seal(PHONE, phone), "phone_index": index}
    await door.ask("PATCH", "/v1/profile", changed, customer=customer)

    answer = await told(door, "/renewals", items=items)

    assert answer == {"renewed": 1, "changed": 1, "taken": 0}
    even, odd = BlindIndex(index).slots
    query = text("SELECT phone_index_even, phone_index_odd FROM accounts WHERE id = :id")
    async with door.app.state.database.transaction() as tx:
        stored = (await tx.execute(query, {"id": customer.account_id})).one()
    assert tuple(stored) == (even, odd)


async def test_two_rows_with_one_value_are_told_and_left(door, a_customer, key):
    one, other = await a_customer(), await a_customer()
    key(OVERLAP)
    page = await told(door, "", generation=1)
    items = [await renewal(door, item) for item in page["items"]]
    for item in items:
        if item["place"] == "accounts.email":
            item["index"] = door.sealing.index(EMAIL, one.person.email)

    answer = await told(door, "/renewals", items=items)

    assert (answer["renewed"], answer["taken"]) == (3, 1)
    for who in (one, other):
        assert (await door.sign_in(who.person)).status_code == 201
    assert (await standing(door))[1] == 1


async def test_stopped_anywhere_it_goes_on_from_there(door, a_customer, key):
    customers = [await a_customer() for _ in range(3)]
    key(OVERLAP)

    done = [await fill(door, limit=2, pages=1) for _ in range(4)]

    assert done == [2, 2, 2, 0]
    assert await standing(door) == (6, 0, 6)
    for customer in customers:
        assert (await door.sign_in(customer.person)).status_code == 201


async def test_a_change_of_keys_gives_no_guesses_away(door, a_customer, key):
    customer = await a_customer()
    for _ in range(PASSWORD.most):
        assert (await door.sign_in(customer.person, "a wrong one")).status_code == 401

    key(OVERLAP)
    assert (await door.sign_in(customer.person, "a wrong one")).status_code == 429
    key(AFTER)
    for _ in range(PASSWORD.most - 1):
        await door.sign_in(customer.person, "a wrong one")
    assert (await door.sign_in(customer.person)).status_code == 429


async def test_indexes_are_for_the_gateway_alone(door, a_customer):
    customer = await a_customer()

    for path in ("", "/renewals", "/retirements", "/standing"):
        asked = await door.ask("POST", f"/v1/indexes{path}", {"generation": 1}, customer=customer)
        assert asked.status_code == 403

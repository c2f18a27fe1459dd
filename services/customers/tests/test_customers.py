"""Staff and customers: reached through a case, found by what they say of themselves."""

import secrets

import pytest

from customers.domain.customer_reach import MOST_FOUND
from privity_contracts.ids import mint

from .casework import staff

EMAIL = "user.contact.email"
PHONE = "user.contact.phone_number"


def on_case(customer, *, purpose="enquiries", scopes=None):
    """At work on a case of the customer; without scopes, the purpose reaches all of theirs."""
    case = f"case/{mint('cas')}"
    covered = {} if scopes is None else {"privity_work_scopes": " ".join([case, *scopes])}
    return {
        **staff(purpose, work=case),
        "privity_work_subject": customer.account_id,
        **covered,
    }


async def search(door, who, **by):
    categories = {"email": EMAIL, "phone": PHONE}
    body = {f"{name}_index": door.sealing.index(categories[name], by[name]) for name in by}
    return await door.ask("POST", "/v1/customers/searches", body, **who)


def plain(door, view):
    opened = {name: door.sealing.plaintexts[view[name]] for name in ("name", "email", "phone")}
    return {"id": view["id"], **opened}


def as_known(customer):
    person = customer.person
    known = {"name": person.name, "email": person.email, "phone": person.phone}
    return {"id": customer.account_id, **known}


@pytest.mark.parametrize("reach", ["work", "person"])
async def test_who_has_a_case_reads_its_customer_sealed(door, a_customer, reach):
    customer = await a_customer()
    scopes = [f"account/{customer.account_id}"] if reach == "work" else None

    path = f"/v1/customers/{customer.account_id}"
    answer = await door.ask("GET", path, **on_case(customer, scopes=scopes))

    assert answer.status_code == 200
    assert plain(door, answer.json()) == as_known(customer)


async def test_no_other_customer_is_reached_and_none_without_a_case(door, a_customer):
    customer, other = await a_customer(), await a_customer()
    at_work = on_case(customer, scopes=[f"account/{customer.account_id}"])

    theirs = await door.ask("GET", f"/v1/customers/{other.account_id}", **at_work)
    nobody = await door.ask("GET", f"/v1/customers/{mint('cus')}", **at_work)

    for answer in (theirs, nobody):
        assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")
    path = f"/v1/customers/{customer.account_id}"
    for who, code in (
        (on_case(customer, scopes=[f"order/{mint('ord')}"]), "work_required"),
        (staff("enquiries", work=f"order/{mint('ord')}"), "work_required"),
        (staff("customer_search"), "work_required"),
        ({"customer": customer}, "not_allowed"),
        ({"privity_caller": "service", "privity_actor": "svc_orders"}, "not_allowed"),
        ({}, "not_allowed"),
    ):
        answer = await door.ask("GET", path, **who)
        assert (answer.status_code, answer.json()["code"]) == (403, code)


async def test_an_emergency_reaches_anybody(door, a_customer):
    customer = await a_customer()
    engineer = staff("break_glass", work=f"break-glass/{mint('brk')}")

    answer = await door.ask("GET", f"/v1/customers/{customer.account_id}", **engineer)

    assert answer.json()["id"] == customer.account_id


async def test_whoever_turns_to_us_is_found_by_address_or_number(door, a_customer):
    customer = await a_customer()
    finder = staff("customer_search")

    for by in (
        {"email": customer.person.email},
        {"phone": customer.person.phone},
        {"email": customer.person.email, "phone": customer.person.phone},
    ):
        found = (await search(door, finder, **by)).json()
        assert [plain(door, one) for one in found["items"]] == [as_known(customer)]
        assert found["more"] is False
    both = {"email": customer.person.email, "phone": "+4930000000"}
    for by in (both, {"email": "nobody@example.org"}):
        found = await search(door, finder, **by)
        assert (found.status_code, found.json()) == (200, {"items": [], "more": False})


async def test_at_most_a_handful_is_found(door, a_person, a_customer):
    shared, customers = f"+4989{secrets.randbelow(10**8):08d}", []
    for _ in range(MOST_FOUND + 1):
        person = a_person()
        person.phone = shared
        begun = (await door.register(person)).json()
        code = (await door.letter(person))["facts"]["code"]
        await door.confirm(begun["id"], code)
        customers.append(person)

    found = (await search(door, staff("customer_search"), phone=shared)).json()

    assert (len(found["items"]), found["more"]) == (MOST_FOUND, True)


async def test_who_is_not_a_customer_yet_is_not_found(door, a_person):
    person = a_person()
    await door.register(person)

    found = await search(door, staff("customer_search"), email=person.email)

    assert found.json()["items"] == []


async def test_a_case_finds_its_own_customer_and_nobody_else(door, a_customer):
    customer, other = await a_customer(), await a_customer()
    at_work = on_case(customer, purpose="identity_verification")

    own = await search(door, at_work, email=customer.person.email)
    others = await search(door, at_work, email=other.person.email)

    assert [one["id"] for one in own.json()["items"]] == [customer.account_id]
    assert others.json()["items"] == []


async def test_a_search_is_for_staff_and_for_something(door, a_customer):
    customer = await a_customer()

    nothing = await search(door, staff("customer_search"))
    readable = await door.ask(
        "POST", "/v1/customers/searches", {"email_index": "ada@x.org"}, **staff("customer_search")
    )

    assert (nothing.status_code, readable.status_code) == (422, 422)
    assert "ada@x.org" not in readable.text
    services = {"privity_caller": "service", "privity_actor": "svc_orders"}
    for who in ({"customer": customer}, services, {}, staff("enquiries")):
        answer = await search(door, who, email=customer.person.email)
        assert answer.status_code == 403

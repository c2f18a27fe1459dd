"""A new password, for whoever knows the present one."""

import asyncio

from customers.domain.attempts import PASSWORD
from privity_contracts.ids import mint


async def change(door, customer, new, current=None):
    body = {"current": current or customer.person.password, "new": new}
    return await door.ask("PUT", "/v1/password", body, customer=customer)


async def test_a_new_password_takes_the_place_of_the_old_and_ends_every_other_session(
    door, a_customer
):
    customer = await a_customer()
    others = [await door.signed_in(customer.person) for _ in range(2)]

    changed = await change(door, customer, "a new battery staple")

    assert changed.status_code == 204
    assert set(changed.headers.get_list("privity-revoke")) == {o.session_id for o in others}
    assert (await door.sign_in(customer.person)).status_code == 401
    assert (await door.sign_in(customer.person, "a new battery staple")).status_code == 201
    assert (await door.refresh(customer.refresh_token)).status_code == 200
    for other in others:
        assert (await door.refresh(other.refresh_token)).status_code == 401


async def test_the_same_change_once_more_changes_nothing(door, a_customer):
    customer = await a_customer()
    await change(door, customer, "a new battery staple")
    other = await door.sign_in(customer.person, "a new battery staple")

    again = await change(door, customer, "a new battery staple")

    assert (again.status_code, again.json()["code"]) == (403, "password_not_right")
    assert (await door.refresh(other.json()["refresh_token"])).status_code == 200
    assert (await door.sign_in(customer.person, "a new battery staple")).status_code == 201


async def test_of_two_changes_at_once_one_holds(door, a_customer):
    customer = await a_customer()
    wished = ["a new battery staple", "another battery staple"]

    answers = await asyncio.gather(*(change(door, customer, new) for new in wished))

    assert sorted(answer.status_code for answer in answers) == [204, 403]
    held = [(await door.sign_in(customer.person, new)).status_code for new in wished]
    assert held == [201 if answer.status_code == 204 else 401 for answer in answers]


async def test_the_present_password_cannot_be_tried_out(door, a_customer):
    customer = await a_customer()

    answers = [
        await change(door, customer, "a new battery staple", current=f"wrong horse {n}")
        for n in range(PASSWORD.most + 1)
    ]
    right = await change(door, customer, "a new battery staple")

    assert [answer.status_code for answer in answers] == [403] * PASSWORD.most + [429]
    assert right.status_code == 429
    assert (await door.sign_in(customer.person)).status_code == 201


async def test_a_weak_password_is_refused_before_the_present_one_is_looked_at(door, a_customer):
    customer = await a_customer()

    answer = await change(door, customer, "q7#xv")

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "/new", "code": "too_short"}]
    assert "q7#xv" not in answer.text


async def test_only_customers_with_an_account_have_a_password_to_change(door, a_customer, a_person):
    customer, pending = await a_customer(), a_person()
    pending_id = mint("cus")
    await door.register(pending, account_id=pending_id)
    body = {"current": pending.password, "new": "a new battery staple"}

    as_visitor = await door.ask("PUT", "/v1/password", body)
    customer.account_id, customer.person = pending_id, pending
    as_pending = await change(door, customer, "a new battery staple")

    assert (as_visitor.status_code, as_pending.status_code) == (403, 403)

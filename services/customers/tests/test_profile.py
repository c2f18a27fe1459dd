"""A customer's own profile, and another e-mail address for it."""

import asyncio
from datetime import timedelta

from customers.domain.attempts import PASSWORD
from privity_contracts.ids import mint

EMAIL = "user.contact.email"
PHONE = "user.contact.phone_number"


async def profile(door, customer):
    answer = await door.ask("GET", "/v1/profile", customer=customer)
    assert answer.status_code == 200
    return answer.json()


async def ask_for_email(door, customer, email, password=None):
    body = {
        "email": door.sealing.seal(EMAIL, email),
        "email_index": door.sealing.index(EMAIL, email),
        "password": password or customer.person.password,
    }
    return await door.ask("POST", "/v1/profile/email", body, customer=customer)


async def confirm_email(door, customer, code):
    return await door.ask(
        "POST", "/v1/profile/email/confirmation", {"code": code}, customer=customer
    )


async def test_customers_see_what_is_held_about_them_sealed(door, a_customer):
    customer = await a_customer()

    seen = await profile(door, customer)

    assert seen.pop("subject_id") == customer.account_id
    person = customer.person
    assert {name: door.sealing.plaintexts[token] for name, token in seen.items()} == {
        "name": person.name,
        "email": person.email,
        "phone": person.phone,
    }


async def test_a_correction_changes_what_it_names_and_nothing_else(door, a_customer):
    customer = await a_customer()
    before = await profile(door, customer)
    name = door.sealing.seal("user.name", "Ada King")
    phone = door.sealing.seal(PHONE, "+4930999")
    index = door.sealing.index(PHONE, "+4930999")

    named = await door.ask("PATCH", "/v1/profile", {"name": name}, customer=customer)
    called = await door.ask(
        "PATCH", "/v1/profile", {"phone": phone, "phone_index": index}, customer=customer
    )
    nothing = await door.ask("PATCH", "/v1/profile", {"name": None}, customer=customer)

    assert named.json() == {**before, "name": name}
    assert called.json() == nothing.json() == {**before, "name": name, "phone": phone}
    assert await profile(door, customer) == called.json()


async def test_a_value_sealed_as_something_else_is_refused(door, a_customer):
    customer = await a_customer()
    street = door.sealing.seal("user.contact.address.street", "1 Main Street")

    answer = await door.ask("PATCH", "/v1/profile", {"name": street}, customer=customer)
    without_index = await door.ask(
        "PATCH", "/v1/profile", {"phone": door.sealing.seal(PHONE, "+49301")}, customer=customer
    )
    an_email = await door.ask("PATCH", "/v1/profile", {"email": street}, customer=customer)

    assert answer.status_code == without_index.status_code == an_email.status_code == 422


async def test_visitors_staff_services_and_pending_accounts_have_no_profile(
    door, a_customer, a_person
):
    customer, pending_id = await a_customer(), mint("cus")
    await door.register(a_person(), account_id=pending_id)
    as_staff = {"privity_caller": "staff", "privity_actor": mint("stf")}
    as_service = {"privity_caller": "service", "privity_actor": "svc_orders"}

    for method, body in (("GET", None), ("PATCH", {})):
        assert (await door.ask(method, "/v1/profile", body)).status_code == 403
        for who in (as_staff, as_service):
            answer = await door.ask(method, "/v1/profile", body, customer=customer, **who)
            assert answer.status_code == 403
        answer = await door.ask(
            method, "/v1/profile", body, customer=customer, privity_subject=pending_id
        )
        assert (answer.status_code, answer.json()["code"]) == (404, "account_not_found")


async def test_another_email_address_is_had_by_whoever_reads_its_mailbox(
    door, a_customer, a_person
):
    customer, elsewhere = await a_customer(), a_person()

    asked = await ask_for_email(door, customer, elsewhere.email)
    letter = await door.letter(elsewhere)
    before = await profile(door, customer)
    confirmed = [await confirm_email(door, customer, letter["facts"]["code"]) for _ in range(7)]

    assert asked.status_code == 202
    assert set(asked.json()) == {"expires_at"}
    assert (letter["template"], letter["subject_id"]) == (
        "confirm_email_change",
        customer.account_id,
    )
    assert door.sealing.plaintexts[before["email"]] == customer.person.email
    assert [answer.status_code for answer in confirmed] == [200] * 7
    after = await profile(door, customer)
    assert door.sealing.plaintexts[after["email"]] == elsewhere.email
    elsewhere.password = customer.person.password
    assert (await door.sign_in(elsewhere)).status_code == 201
    assert (await door.sign_in(customer.person)).status_code == 401


async def test_wishing_for_a_strangers_address_looks_like_wishing_for_a_free_one(
    door, a_customer, a_person
):
    customer, owner, free = await a_customer(), await a_customer(), a_person()

    taken = await ask_for_email(door, customer, owner.person.email)
    letter = await door.letter(owner.person, number=2)
    refused = await confirm_email(door, customer, "00000000")
    unasked = await confirm_email(door, owner, "00000000")
    free_answer = await ask_for_email(door, customer, free.email)
    wrong = await confirm_email(door, customer, "00000000")

    assert taken.status_code == free_answer.status_code == 202
    assert set(taken.json()) == set(free_answer.json())
    assert (letter["template"], letter["subject_id"]) == ("already_registered", owner.account_id)
    assert letter["facts"] == {}
    for answer in (refused, unasked, wrong):
        assert (answer.status_code, answer.json()["code"]) == (422, "code_not_accepted")


async def test_of_several_who_wish_for_one_free_address_one_gets_it(door, a_customer, a_person):
    customers, wished = [await a_customer() for _ in range(4)], a_person()
    codes = []
    for number, customer in enumerate(customers, start=1):
        await ask_for_email(door, customer, wished.email)
        codes.append((await door.letter(wished, number=number))["facts"]["code"])

    answers = await asyncio.gather(
        *(confirm_email(door, c, code) for c, code in zip(customers, codes, strict=True))
    )

    assert sorted(answer.status_code for answer in answers) == [200, 422, 422, 422]


async def test_another_address_needs_the_password_and_counts_the_guesses(
    door, a_customer, a_person
):
    customer, elsewhere = await a_customer(), a_person()

    answers = [
        await ask_for_email(door, customer, elsewhere.email, password=f"wrong horse {n}")
        for n in range(PASSWORD.most + 1)
    ]

    assert [answer.status_code for answer in answers] == [403] * PASSWORD.most + [429]
    body = {"code": "00000000"}
    assert (await door.ask("POST", "/v1/profile/email", body)).status_code == 403
    assert (await door.ask("POST", "/v1/profile/email/confirmation", body)).status_code == 403


async def test_a_code_for_an_address_is_tried_five_times_and_for_a_day(
    door, a_customer, a_person, clock
):
    guessed, late = await a_customer(), await a_customer()
    addresses = [a_person(), a_person()]
    codes = []
    for customer, wished in zip((guessed, late), addresses, strict=True):
        await ask_for_email(door, customer, wished.email)
        codes.append((await door.letter(wished))["facts"]["code"])

    for _ in range(5):
        await confirm_email(door, guessed, "not a code")
    after_five = await confirm_email(door, guessed, codes[0])
    clock.ahead = timedelta(hours=24, seconds=1)
    after_a_day = await confirm_email(door, late, codes[1])

    assert (after_five.status_code, after_a_day.status_code) == (422, 422)


async def test_a_later_wish_takes_the_place_of_an_earlier_one(door, a_customer, a_person):
    customer, first, second = await a_customer(), a_person(), a_person()
    await ask_for_email(door, customer, first.email)
    first_code = (await door.letter(first))["facts"]["code"]
    await ask_for_email(door, customer, second.email)
    second_code = (await door.letter(second))["facts"]["code"]

    assert (await confirm_email(door, customer, first_code)).status_code == 422
    assert (await confirm_email(door, customer, second_code)).status_code == 200

"""Opening an account: the code decides, and one e-mail address has one account."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from customers.domain import expiry
from customers.domain.one_time_code import OneTimeCodes
from privity_contracts import Secret
from privity_contracts.ids import is_id, mint
from privity_jobs import enqueue


def without_instance(answer):
    return answer.status_code, {k: v for k, v in answer.json().items() if k != "instance"}


async def accounts(door, email):
    async with door.app.state.database.transaction() as tx:
        rows = await tx.execute(
            text("SELECT state FROM accounts WHERE email_index_even = :index ORDER BY state"),
            {"index": door.sealing.index("user.contact.email", email)},
        )
        return list(rows.scalars())


async def test_the_code_from_the_letter_opens_the_account(door, a_person):
    person = a_person()

    begun = await door.register(person)
    letter = await door.letter(person)
    confirmed = await door.confirm(begun.json()["id"], letter["facts"]["code"])

    assert begun.status_code == 202
    assert set(begun.json()) == {"id", "expires_at"}
    assert letter["template"] == "confirm_registration"
    assert len(letter["facts"]["code"]) == 8
    assert (confirmed.status_code, confirmed.json()) == (200, {"status": "active"})
    assert (await door.sign_in(person)).status_code == 201


async def test_nobody_registers_or_confirms_past_the_gateway(door, a_person):
    for path in ("/v1/registrations", f"/v1/registrations/{mint('reg')}/confirmation"):
        answer = await door.ask("POST", path, {}, authorization="Bearer guess")

        assert answer.status_code == 401


async def test_what_the_gateway_did_not_seal_is_refused_and_not_repeated(door):
    body = {
        "name": "Ada Lovelace",
        "email": "ada@example.org",
        "email_index": "ada@example.org",
        "phone": "+4930123456",
        "phone_index": "+4930123456",
        "password": "correct horse battery",
    }

    answer = await door.ask("POST", "/v1/registrations", body, privity_new_id=mint("cus"))

    assert answer.status_code == 422
    fields = {error["field"] for error in answer.json()["errors"]}
    assert fields == {"/name", "/email", "/email_index", "/phone", "/phone_index"}
    assert "Ada" not in answer.text
    assert "4930" not in answer.text


async def test_without_an_id_from_the_gateway_there_is_no_account(door, a_person):
    person = a_person()

    for new_id in ("none", mint("ord"), "cus_1"):
        assert (await door.register(person, account_id=new_id)).status_code == 400

    assert await accounts(door, person.email) == []


@pytest.mark.parametrize(
    ("password", "code"), [("k9$wpq", "too_short"), ("aaaaaaaaaaaaaaaa", "too_uniform")]
)
async def test_a_password_that_is_easily_guessed_is_refused(door, a_person, password, code):
    person = a_person()
    person.password = password

    answer = await door.register(person)

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "/password", "code": code}]
    assert password not in answer.text
    assert await accounts(door, person.email) == []


async def test_registering_twice_gives_two_codes_and_one_account(door, a_person):
    person = a_person()

    first = (await door.register(person)).json()["id"]
    first_code = (await door.letter(person))["facts"]["code"]
    second = (await door.register(person)).json()["id"]
    second_code = (await door.letter(person, number=2))["facts"]["code"]

    assert (await door.confirm(second, first_code)).status_code == 422
    assert (await door.confirm(second, second_code)).status_code == 200
    assert (await door.confirm(first, first_code)).status_code == 422
    assert await accounts(door, person.email) == ["active", "pending"]


async def test_a_strangers_pending_registration_does_not_keep_the_owner_out(door, a_person):
    owner, stranger = a_person(), a_person()
    stranger.email = owner.email

    for _ in range(3):
        await door.register(stranger)
    await door.letter(owner, number=3)
    begun = (await door.register(owner)).json()
    code = (await door.letter(owner, number=4))["facts"]["code"]

    assert (await door.confirm(begun["id"], code)).status_code == 200
    assert (await door.sign_in(owner)).status_code == 201
    assert (await door.sign_in(stranger)).status_code == 401


async def test_the_owner_is_told_when_somebody_registers_their_address(door, a_customer, a_person):
    owner, stranger = await a_customer(), a_person()
    stranger.email = owner.person.email
    own_token = (await door.letter(owner.person))["email"]

    begun = (await door.register(stranger)).json()
    letter = await door.letter(owner.person, number=2)

    assert letter["template"] == "already_registered"
    assert letter["facts"] == {}
    assert letter["subject_id"] == owner.account_id
    assert letter["email"] == own_token  # as the owner gave it, not as the stranger did
    for _ in range(500):
        if await accounts(door, owner.person.email) == ["active"]:
            break
        await asyncio.sleep(0.02)
    assert await accounts(door, owner.person.email) == ["active"]
    assert (await door.confirm(begun["id"], "00000000")).status_code == 422


async def test_all_ways_of_having_no_valid_code_look_the_same(door, a_person, a_customer, clock):
    owner, person, late = await a_customer(), a_person(), a_person()
    stranger = a_person()
    stranger.email = owner.person.email
    taken = (await door.register(stranger)).json()["id"]
    wrong = (await door.register(person)).json()["id"]
    code = (await door.letter(person))["facts"]["code"]
    expired = (await door.register(late)).json()["id"]
    expired_code = (await door.letter(late))["facts"]["code"]
    other = f"{(int(code) + 1) % 10**8:08d}"

    answers = [
        await door.confirm(mint("reg"), code),
        await door.confirm(taken, code),
        await door.confirm(wrong, "not a code"),
        *[await door.confirm(wrong, other) for _ in range(4)],
        await door.confirm(wrong, code),  # right, and too late after five attempts
    ]
    clock.ahead = timedelta(hours=24, seconds=1)
    answers.append(await door.confirm(expired, expired_code))

    assert without_instance(answers[0])[0] == 422
    assert {str(without_instance(answer)) for answer in answers} == {
        str(without_instance(answers[0]))
    }


async def test_of_twenty_wrong_codes_at_once_five_are_judged(door, a_person):
    person = a_person()
    begun = (await door.register(person)).json()["id"]
    code = (await door.letter(person))["facts"]["code"]
    guesses = [f"{(int(code) + n) % 10**8:08d}" for n in range(1, 20)]

    answers = await asyncio.gather(*(door.confirm(begun, guess) for guess in guesses))

    assert {answer.status_code for answer in answers} == {422}
    assert (await door.confirm(begun, code)).status_code == 422
    async with door.app.state.database.transaction() as tx:
        counted = await tx.scalar(
            text("SELECT attempts FROM registrations WHERE id = :id"), {"id": begun}
        )
    assert counted == 5


async def test_a_code_may_be_repeated_when_the_answer_was_lost(door, a_person):
    person = a_person()
    begun = (await door.register(person)).json()["id"]
    code = (await door.letter(person))["facts"]["code"]

    answers = [await door.confirm(begun, code) for _ in range(8)]

    assert [a.json() for a in answers] == [{"status": "active"}] * 8
    assert await accounts(door, person.email) == ["active"]


async def test_a_code_may_be_typed_in_groups(door, a_person):
    person = a_person()
    begun = (await door.register(person)).json()["id"]
    code = (await door.letter(person))["facts"]["code"]

    assert (await door.confirm(begun, f"{code[:4]} {code[4:]}")).status_code == 200


async def test_of_confirmations_that_race_for_one_address_one_wins(door, a_person):
    person = a_person()
    codes = {}
    for number in range(1, 6):
        begun = (await door.register(person)).json()["id"]
        codes[begun] = (await door.letter(person, number=number))["facts"]["code"]

    answers = await asyncio.gather(
        *(door.confirm(begun, code) for begun, code in codes.items() for _ in range(2))
    )

    statuses = [answer.status_code for answer in answers]
    winners = {i // 2 for i, status in enumerate(statuses) if status == 200}
    assert len(winners) == 1
    assert set(statuses) == {200, 422}
    assert (await accounts(door, person.email)).count("active") == 1


async def test_a_letter_that_did_not_get_through_is_sent_again_as_the_same(door, a_person):
    person = a_person()
    door.gateway.closed = True

    await door.register(person)
    await door.tried(person, number=2)
    door.gateway.closed = False
    letter = await door.letter(person)

    tries = await door.tried(person)
    assert len(tries) >= 3
    assert all(one == letter for one in tries)


async def test_a_letter_that_waited_while_the_address_got_its_owner_becomes_another(door, a_person):
    owner, late = a_person(), a_person()
    late.email = owner.email
    begun = (await door.register(owner)).json()["id"]
    code = (await door.letter(owner))["facts"]["code"]
    door.gateway.closed = True

    await door.register(late)
    first_try = (await door.tried(late, number=2))[1]
    await door.confirm(begun, code)
    door.gateway.closed = False
    letter = await door.letter(owner, number=2)

    assert first_try["template"] == "confirm_registration"
    assert letter["template"] == "already_registered"
    assert letter["id"] != first_try["id"]
    assert is_id(letter["id"], "msg")


async def test_what_nobody_confirmed_is_forgotten(door, a_person, a_customer, clock):
    person, customer = a_person(), await a_customer()
    await door.register(person)
    await door.letter(person)

    clock.ahead = timedelta(hours=24, seconds=1)
    async with door.app.state.database.transaction() as tx:
        await enqueue(tx, expiry.SWEEP, {}, key="now")
    for _ in range(500):
        if not await accounts(door, person.email):
            break
        await asyncio.sleep(0.02)

    assert await accounts(door, person.email) == []
    assert await accounts(door, customer.person.email) == ["active"]


def test_codes_depend_on_the_key_the_request_and_the_salt():
    codes = OneTimeCodes("k" * 64)
    salt = bytes(16)
    code = codes.code(request_id="reg_1", salt=salt)

    assert code == "53677881"
    assert codes.matches(Secret(code), request_id="reg_1", salt=salt)
    assert not codes.matches(Secret(code), request_id="reg_2", salt=salt)
    assert not codes.matches(Secret(code), request_id="reg_1", salt=b"1" * 16)
    assert not codes.matches(Secret(code), request_id="reg_1", salt=None)
    assert not OneTimeCodes("l" * 64).matches(Secret(code), request_id="reg_1", salt=salt)

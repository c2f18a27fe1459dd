"""Signing in, refreshing, signing out: a refresh token is used once, by one party."""

import asyncio
from datetime import datetime, timedelta

from sqlalchemy import text

from customers.main import create_app


async def test_signing_in_answers_what_the_gateway_needs_for_a_session(door, a_customer):
    customer = await a_customer()

    answer = await door.sign_in(customer.person)

    assert answer.status_code == 201
    assert set(answer.json()) == {
        "account_id",
        "session_id",
        "refresh_token",
        "refresh_expires_at",
    }
    assert answer.json()["account_id"] == customer.account_id


async def test_signing_in_twice_is_two_sessions_that_end_apart(door, a_customer):
    first = await a_customer()
    second = await door.signed_in(first.person)

    await door.ask("DELETE", "/v1/sessions/current", customer=first)

    assert first.session_id != second.session_id
    assert (await door.refresh(first.refresh_token)).status_code == 401
    assert (await door.refresh(second.refresh_token)).status_code == 200


async def test_the_same_password_from_another_keyboard_is_the_same(door, a_person):
    person = a_person()
    person.password = "caf\u00e9 au lait \ufb01ne"
    begun = (await door.register(person)).json()["id"]
    await door.confirm(begun, (await door.letter(person))["facts"]["code"])

    answer = await door.sign_in(person, "cafe\u0301 au lait fine")

    assert answer.status_code == 201


async def test_stronger_parameters_reach_a_password_when_its_owner_signs_in(
    door, a_customer, settings, the_clock
):
    customer = await a_customer()
    stronger = create_app(settings.model_copy(update={"argon2_passes": 3}), clock=the_clock)

    async def stored():
        async with door.app.state.database.transaction() as tx:
            return await tx.scalar(
                text("SELECT password_hash FROM accounts WHERE id = :id"),
                {"id": customer.account_id},
            )

    before = await stored()
    async with stronger.router.lifespan_context(stronger):
        passwords = stronger.state.passwords
        door.app.state.passwords, kept = passwords, door.app.state.passwords
        answers = [await door.sign_in(customer.person) for _ in range(2)]
        door.app.state.passwords = kept

    assert [answer.status_code for answer in answers] == [201, 201]
    assert "t=2," in before
    assert "t=3," in await stored()


async def test_a_refresh_token_is_exchanged_for_the_next(door, a_customer):
    customer = await a_customer()

    first = (await door.refresh(customer.refresh_token)).json()
    second = (await door.refresh(first["refresh_token"])).json()

    assert first["session_id"] == second["session_id"] == customer.session_id
    assert first["account_id"] == customer.account_id
    assert len({customer.refresh_token, first["refresh_token"], second["refresh_token"]}) == 3


async def test_a_spent_refresh_token_ends_the_session_for_both_who_hold_it(door, a_customer):
    customer = await a_customer()
    other_session = await door.signed_in(customer.person)
    successor = (await door.refresh(customer.refresh_token)).json()["refresh_token"]

    reused = await door.refresh(customer.refresh_token)
    afterwards = await door.refresh(successor)

    assert reused.status_code == 401
    assert reused.headers["privity-revoke"] == customer.session_id
    assert afterwards.status_code == 401
    assert reused.json()["code"] == afterwards.json()["code"] == "session_over"
    assert (await door.refresh(other_session.refresh_token)).status_code == 200


async def test_of_twenty_uses_of_one_token_at_once_one_wins_and_the_theft_is_noticed(
    door, a_customer
):
    customer = await a_customer()

    answers = await asyncio.gather(*(door.refresh(customer.refresh_token) for _ in range(20)))

    won = [answer for answer in answers if answer.status_code == 200]
    lost = [answer for answer in answers if answer.status_code == 401]
    assert (len(won), len(lost)) == (1, 19)
    assert {answer.headers["privity-revoke"] for answer in lost} == {customer.session_id}
    # Which of the twenty was the thief cannot be told: nobody keeps the session.
    assert (await door.refresh(won[0].json()["refresh_token"])).status_code == 401


async def test_an_unknown_refresh_token_is_refused_without_revoking_anything(door):
    answer = await door.refresh("A" * 43)

    assert (answer.status_code, answer.json()["code"]) == (401, "session_over")
    assert "privity-revoke" not in answer.headers


async def test_a_session_ends_after_seven_idle_days(door, a_customer, clock):
    customer, other = await a_customer(), await a_customer()

    clock.ahead = timedelta(days=6, hours=23)
    in_time = await door.refresh(customer.refresh_token)
    clock.ahead = timedelta(days=7, seconds=1)
    late = await door.refresh(other.refresh_token)

    assert (in_time.status_code, late.status_code) == (200, 401)


async def test_a_session_ends_after_thirty_days_however_busy_it_was(door, a_customer, clock):
    customer = await a_customer()
    token, started = customer.refresh_token, datetime.now().astimezone()

    for day in range(6, 30, 6):
        clock.ahead = timedelta(days=day)
        opened = (await door.refresh(token)).json()
        token = opened["refresh_token"]
    clock.ahead = timedelta(days=30, seconds=1)
    late = await door.refresh(token)

    until = datetime.fromisoformat(opened["refresh_expires_at"])
    assert until - started < timedelta(days=30, minutes=1)
    assert late.status_code == 401


async def test_signing_out_twice_is_the_same_as_once(door, a_customer):
    customer = await a_customer()

    answers = [
        await door.ask("DELETE", "/v1/sessions/current", customer=customer) for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert (await door.refresh(customer.refresh_token)).status_code == 401


async def test_nobody_ends_a_strangers_session(door, a_customer):
    customer, stranger = await a_customer(), await a_customer()
    token = stranger.refresh_token
    stranger.session_id = customer.session_id

    await door.ask("DELETE", "/v1/sessions/current", customer=stranger)

    assert (await door.refresh(customer.refresh_token)).status_code == 200
    assert (await door.refresh(token)).status_code == 200
    assert (await door.ask("DELETE", "/v1/sessions/current")).status_code == 403


async def test_customers_see_their_own_living_sessions_and_only_times(door, a_customer, clock):
    customer, stranger = await a_customer(), await a_customer()
    second = await door.signed_in(customer.person)
    ended = await door.signed_in(customer.person)
    await door.ask("DELETE", "/v1/sessions/current", customer=ended)

    seen = (await door.ask("GET", "/v1/sessions", customer=customer)).json()["items"]
    clock.ahead = timedelta(days=7, seconds=1)
    later = (await door.ask("GET", "/v1/sessions", customer=customer)).json()["items"]

    assert {(one["id"], one["current"]) for one in seen} == {
        (customer.session_id, True),
        (second.session_id, False),
    }
    assert {one["subject_id"] for one in seen} == {customer.account_id}
    assert set(seen[0]) == {
        "subject_id",
        "id",
        "started_at",
        "refreshed_at",
        "ends_at",
        "current",
    }
    assert stranger.session_id not in str(seen)
    assert later == []
    assert (await door.ask("GET", "/v1/sessions")).status_code == 403


async def test_nothing_about_sessions_answers_past_the_gateway(door):
    for method, path in (
        ("POST", "/v1/sessions"),
        ("POST", "/v1/sessions/refresh"),
        ("GET", "/v1/sessions"),
        ("DELETE", "/v1/sessions/current"),
    ):
        assert (await door.ask(method, path, authorization="Bearer x")).status_code == 401

"""Nobody learns from an answer, or from the work behind it, whether somebody has an account."""

import asyncio
from collections import defaultdict
from datetime import timedelta

import argon2
import pytest
from sqlalchemy import event

from customers.domain.attempts import PASSWORD


@pytest.fixture
def statements(door):
    """Every statement of the service, by the task that sent it: a request is one task."""
    sent = defaultdict(list)

    def remember(connection, cursor, statement, *_):
        sent[id(asyncio.current_task())].append(statement)

    engine = door.app.state.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", remember)
    yield sent
    event.remove(engine, "before_cursor_execute", remember)


@pytest.fixture
def computed(monkeypatch):
    """What was asked of argon2, in order, with its parameters."""
    asked = []
    for name in ("hash", "verify"):
        real = getattr(argon2.PasswordHasher, name)

        def counted(self, *arguments, _name=name, _real=real, **named):
            asked.append((_name, self.time_cost, self.memory_cost))
            return _real(self, *arguments, **named)

        monkeypatch.setattr(argon2.PasswordHasher, name, counted)
    return asked


def of_one_request(statements, *, that_writes):
    found = [sent for sent in statements.values() if any(that_writes in one for one in sent)]
    statements.clear()
    assert len(found) == 1
    return found[0]


def shape(answer):
    same = {"instance", "id", "expires_at"}
    body = {name: "…" if name in same else value for name, value in answer.json().items()}
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    return answer.status_code, body, headers


async def test_registering_a_new_and_a_known_address_is_one_answer_after_the_same_work(
    door, a_customer, a_person, statements, computed
):
    owner, stranger, newcomer = await a_customer(), a_person(), a_person()
    stranger.email = owner.person.email
    statements.clear()
    computed.clear()

    known = await door.register(stranger)
    work_for_known = of_one_request(statements, that_writes="INSERT INTO accounts")
    argon2_for_known = list(computed)
    computed.clear()
    await door.letter(owner.person, number=2)
    statements.clear()
    new = await door.register(newcomer)
    work_for_new = of_one_request(statements, that_writes="INSERT INTO accounts")

    assert shape(known) == shape(new)
    assert work_for_known == work_for_new
    assert len(work_for_new) == 3  # account, registration, job
    assert argon2_for_known == computed == [("hash", 2, 19456)]


async def test_no_account_a_pending_one_and_a_wrong_password_are_one_refusal_after_the_same_work(
    door, a_customer, a_person, statements, computed
):
    customer, pending, nobody = await a_customer(), a_person(), a_person()
    await door.register(pending)
    await door.letter(pending)
    attempts = [(customer.person, "wrong horse"), (pending, None), (nobody, None)]
    outcomes = []

    for person, password in attempts:
        statements.clear()
        computed.clear()
        answer = await door.sign_in(person, password)
        work = of_one_request(statements, that_writes="INSERT INTO attempt_counts")
        outcomes.append((shape(answer), work, list(computed)))

    assert outcomes[0][0][0] == 401
    assert outcomes[0][2] == [("verify", 2, 19456)]
    assert len(outcomes[0][1]) == 2  # the attempt is counted, the account looked for
    assert outcomes[0] == outcomes[1] == outcomes[2]


async def test_a_lock_out_comes_at_the_same_count_whether_or_not_there_is_an_account(
    door, a_customer, a_person, computed
):
    customer, nobody = await a_customer(), a_person()
    computed.clear()

    of_customer = [await door.sign_in(customer.person, "wrong horse") for _ in range(12)]
    of_nobody = [await door.sign_in(nobody) for _ in range(12)]

    assert [a.status_code for a in of_customer] == [401] * PASSWORD.most + [429] * 2
    assert [a.status_code for a in of_nobody] == [a.status_code for a in of_customer]
    assert of_customer[-1].json()["code"] == of_nobody[-1].json()["code"] == "too_many_attempts"
    for locked in (of_customer[-1], of_nobody[-1]):
        assert 880 < int(locked.headers["retry-after"]) <= 900
    assert len(computed) == 2 * PASSWORD.most  # nothing is computed for whoever is locked out


async def test_the_right_password_does_not_open_a_lock_before_its_time(door, a_customer, clock):
    customer = await a_customer()
    for _ in range(PASSWORD.most):
        await door.sign_in(customer.person, "wrong horse")

    during = await door.sign_in(customer.person)
    clock.ahead = timedelta(minutes=15)
    after = await door.sign_in(customer.person)

    assert (during.status_code, after.status_code) == (429, 201)


async def test_of_thirty_guesses_at_once_no_more_are_judged_than_one_after_another(
    door, a_customer, computed
):
    customer = await a_customer()
    computed.clear()

    answers = await asyncio.gather(
        *(door.sign_in(customer.person, f"wrong horse {n}") for n in range(30))
    )

    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(401), statuses.count(429)) == (PASSWORD.most, 20)
    assert len(computed) == PASSWORD.most


async def test_signing_in_gives_the_attempts_back(door, a_customer):
    customer = await a_customer()

    for _ in range(3):
        for _ in range(PASSWORD.most - 1):
            assert (await door.sign_in(customer.person, "wrong horse")).status_code == 401
        assert (await door.sign_in(customer.person)).status_code == 201

"""A deletion at once takes a code from the mailbox; guessing is bounded and teaches nothing."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from privacy_gateway.api import my_deletion
from privacy_gateway.api.cors import Cors
from privacy_gateway.api.edge import Edge
from privacy_gateway.domain.deletion import confirming, correspondence
from privacy_gateway.domain.deletion.run import run
from privacy_gateway.domain.tokens.caller import VISITOR, service
from privity_rest import problems

from .conftest import all_of

AT_ONCE = {"when": "at_once"}
PATH = "/v1/my/deletion"


@pytest.fixture
async def door(means):
    """`door(person, method, path, body)`: asked by that person."""
    app = FastAPI(openapi_url=None)
    problems.install(app)
    app.include_router(my_deletion.router)
    app.state.deletion = means
    who = {}

    async def as_somebody(scope, receive, send):
        scope["privity.caller"] = who["caller"]
        await app(scope, receive, send)

    transport = httpx.ASGITransport(app=Edge(as_somebody, cors=Cors(()), https=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway.test") as client:

        async def ask(person, method, path=PATH, body=None):
            caller = person if not hasattr(person, "id") else replace(
                VISITOR, kind="customer", actor=person.id, subject=person.id,
                role="customer", purpose="self_service",
            )  # fmt: skip
            who["caller"] = caller
            return await client.request(method, path, json=body)

        yield ask


@pytest.fixture
def code_of(means, mail_sink):
    """The newest code that was mailed for this deletion."""

    async def read(deletion):
        await correspondence.write(deletion, "code", by=means)
        mails = [mail for *_, mail in mail_sink.taken if "Confirm that" in mail["Subject"]]
        return re.search(r"^    ([0-9]{8})\b", mails[-1].get_content(), re.MULTILINE)[1]

    return read


def other(code):
    return f"{(int(code) + 1) % 10**8:08d}"


async def confirm(door, person, code):
    return await door(person, "POST", f"{PATH}/confirmation", {"code": code})


async def due(means, deletion):
    [[at]] = await all_of(
        means, "SELECT due_at FROM jobs WHERE kind = 'deletion' AND key = :id", id=deletion
    )
    return at


async def test_it_runs_at_once_when_the_code_has_come_back_and_not_before(
    means, a_person, door, code_of, opens, clock
):
    person = await a_person()
    asked = (await door(person, "POST", body=AT_ONCE)).json()
    assert asked["confirmation"] == "by_mail"
    assert await due(means, asked["id"]) == clock() + timedelta(days=3)
    code = await code_of(asked["id"])

    answer = await confirm(door, person, f"{code[:4]} {code[4:]}")
    again = await confirm(door, person, code)

    assert (answer.status_code, answer.json()["state"]) == (200, "waiting")
    assert again.status_code == 200
    assert await due(means, asked["id"]) == clock()
    await run(asked["id"], by=means)
    assert await opens(person) == 0
    # What is over names nobody, the count of codes neither.
    found = await all_of(means, "SELECT * FROM deletion_codes WHERE subject_id = :s", s=person.id)
    assert found == []


async def test_without_the_code_it_is_a_deletion_after_the_grace_that_can_be_undone(
    means, a_person, door, opens
):
    person = await a_person()
    await door(person, "POST", body=AT_ONCE)

    undone = await door(person, "DELETE")

    assert undone.json()["state"] == "undone"
    assert await opens(person) == 6


async def test_every_wrong_code_is_refused_in_the_same_words(means, a_person, door, code_of, clock):
    people = {name: await a_person() for name in ("wrong", "none", "old", "undone", "tried")}
    ids = {}
    for name, person in people.items():
        body = {} if name == "none" else AT_ONCE
        ids[name] = (await door(person, "POST", body=body)).json()["id"]
    right = {name: await code_of(ids[name]) for name in ("wrong", "undone", "tried")}
    for _ in range(confirming.MOST_ATTEMPTS):
        await confirm(door, people["tried"], other(right["tried"]))
    await door(people["undone"], "DELETE")

    answers = {
        "wrong": await confirm(door, people["wrong"], other(right["wrong"])),
        "another's": await confirm(door, people["wrong"], right["tried"]),
        "none": await confirm(door, people["none"], right["wrong"]),
        "undone": await confirm(door, people["undone"], right["undone"]),
        "tried too often": await confirm(door, people["tried"], right["tried"]),
    }
    old = await code_of(ids["old"])
    clock.now += confirming.LIFE
    answers["old"] = await confirm(door, people["old"], old)

    said = []
    for answer in answers.values():
        body = answer.json()
        body.pop("instance")
        said.append((answer.status_code, body))
    assert said == [said[0]] * len(answers)
    assert said[0][1]["code"] == "code_not_accepted"
    for name in ("wrong", "none", "old", "tried"):
        assert await due(means, ids[name]) > clock()


async def test_of_thirty_guesses_at_once_five_are_judged(means, a_person, door, code_of):
    person = await a_person()
    deletion = (await door(person, "POST", body=AT_ONCE)).json()["id"]
    code = await code_of(deletion)

    answers = await asyncio.gather(*(confirm(door, person, other(code)) for _ in range(30)))

    assert {answer.status_code for answer in answers} == {422}
    counted = "SELECT attempts FROM deletion_codes WHERE subject_id = :s"
    assert await all_of(means, counted, s=person.id) == [(confirming.MOST_ATTEMPTS,)]
    assert (await confirm(door, person, code)).status_code == 422
    assert await due(means, deletion) > means.clock()


async def test_codes_are_bounded_by_the_day_whatever_becomes_of_the_deletions(
    means, a_person, door, code_of, clock
):
    person = await a_person()
    codes = set()
    for _ in range(confirming.MOST_CODES):
        asked = (await door(person, "POST", body=AT_ONCE)).json()
        codes.add(await code_of(asked["id"]))
        await door(person, "DELETE")
    assert len(codes) == confirming.MOST_CODES

    refused = await door(person, "POST", body=AT_ONCE)
    afterwards = await door(person, "POST", body={})
    clock.ahead(days=1, seconds=1)
    tomorrow = await door(person, "POST", body=AT_ONCE)

    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_codes")
    assert afterwards.json()["state"] == "waiting"
    assert tomorrow.json()["confirmation"] == "by_mail"


async def test_a_fresh_code_takes_the_place_of_the_one_before(a_person, door, code_of):
    person = await a_person()
    asked = (await door(person, "POST", body=AT_ONCE)).json()
    before = await code_of(asked["id"])
    again = (await door(person, "POST", body=AT_ONCE)).json()
    after = await code_of(again["id"])

    assert again["id"] == asked["id"]
    assert before != after
    assert (await confirm(door, person, before)).status_code == 422
    assert (await confirm(door, person, after)).status_code == 200


async def test_a_code_is_stored_nowhere(means, a_person, door, code_of, gateway_database):
    person = await a_person()
    asked = (await door(person, "POST", body=AT_ONCE)).json()
    code = await code_of(asked["id"])

    tables = await all_of(
        means, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace ="
        " 'public'::regnamespace"
    )  # fmt: skip
    rows = [
        str(row) for (table,) in tables
        for row in await all_of(means, f'SELECT * FROM "{table}"')  # noqa: S608  # its own names
    ]  # fmt: skip

    assert any(asked["id"] in row for row in rows)
    assert not any(code in row for row in rows)


async def test_it_is_for_customers_alone(door, a_person):
    path, body = f"{PATH}/confirmation", {"code": "12345678"}

    assert (await door(VISITOR, "POST", path, body)).status_code == 401
    assert (await door(service("orders"), "POST", path, body)).status_code == 403
    assert (await door(await a_person(), "POST", path, {"code": "x"})).status_code == 422

"""What the gateway is told of a customer, and what goes with the account."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from customers.domain import expiry
from privity_contracts.ids import mint

from .casework import open_case
from .conftest import Door

GATEWAY = {"privity_caller": "service", "privity_actor": "svc_privacy-gateway"}
GONE = ["identity", "delivery", "credentials"]


async def held(door: Door, subject: str) -> list[dict[str, Any]]:
    answer = await door.ask("POST", "/v1/holdings", {"subject_id": subject}, **GATEWAY)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def drop(door: Door, subject: str, scope: str, *classes: str, **headers: str) -> int:
    body = {"subject_id": subject, "scope": scope, "classes": list(classes)}
    answer = await door.ask("POST", "/v1/holdings/drops", body, **(headers or GATEWAY))
    return int(answer.json()["rows"]) if answer.status_code == 200 else -answer.status_code


async def test_account_case_and_consents_are_told_by_scope_and_field(door, a_customer) -> None:
    who = await a_customer()
    case = (await open_case(door, who)).json()["id"]
    consent = {"given": True, "policy_version": door.gateway.policy}
    await door.ask("PUT", "/v1/consents/marketing", consent, customer=who)

    account, told_case = await held(door, who.account_id)

    assert account["scope"] == f"account/{who.account_id}"
    assert account["fields"]["user.contact.email"] == ["email"]
    assert account["fields"]["user.authorization.refresh_token"] == ["sessions"]
    assert len(account["sealed"]) == 3
    assert told_case["scope"] == f"case/{case}"
    assert told_case["fields"]["user.content.private"] == ["messages[0].content"]


async def test_the_account_goes_with_its_sessions_and_counts_and_once_is_as_twice(
    door, a_customer
) -> None:
    who = await a_customer()
    await door.sign_in(who.person, "not the password")
    scope = f"account/{who.account_id}"

    first = await drop(door, who.account_id, scope, *GONE)
    again = await drop(door, who.account_id, scope, *GONE)

    assert (first, again) == (1, 0)
    assert await held(door, who.account_id) == []
    assert (await door.refresh(who.refresh_token)).status_code == 401
    assert (await door.sign_in(who.person)).status_code == 401
    database = door.app.state.database
    async with database.transaction() as tx:
        left = await tx.scalar(
            text("SELECT count(*) FROM attempt_counts WHERE key = :key"),
            {"key": f"password/{who.account_id}"},
        )
        waiting = await tx.scalar(
            text("SELECT count(*) FROM jobs WHERE kind LIKE '%letter' AND payload::text LIKE :id"),
            {"id": f"%{who.account_id}%"},
        )
    assert (left, waiting) == (0, 0)


async def test_a_case_goes_alone_and_a_strangers_stays(door, a_customer) -> None:
    who, other = await a_customer(), await a_customer()
    case = (await open_case(door, who)).json()["id"]

    assert await drop(door, other.account_id, f"case/{case}", "case") == 0
    assert await drop(door, who.account_id, f"account/{other.account_id}", *GONE) == 0
    assert await drop(door, who.account_id, f"case/{case}", "case") == 1

    assert [each["scope"] for each in await held(door, who.account_id)] == [
        f"account/{who.account_id}"
    ]
    assert len(await held(door, other.account_id)) == 1


async def test_nobody_but_the_gateway_drops(door, a_customer) -> None:
    who = await a_customer()
    service = {"privity_caller": "service", "privity_actor": "svc_orders"}

    assert await drop(door, who.account_id, f"account/{who.account_id}", *GONE, **service) == -403
    answer = await door.ask("POST", "/v1/holdings", {"subject_id": who.account_id}, customer=who)
    assert answer.status_code == 403


async def test_an_account_in_use_is_told_of_once_a_day(door, a_customer) -> None:
    who = await a_customer()

    await door.signed_in(who.person)
    await door.refresh(who.refresh_token)

    found = await door.events(subject_id=who.account_id)
    assert [one["type"] for one in found] == ["account.active"]


async def test_who_never_confirmed_is_told_to_be_gone(door, a_person, clock) -> None:
    account = mint("cus")
    await door.register(a_person(), account_id=account)

    clock.ahead = timedelta(days=30)
    database = door.app.state.database
    async with database.transaction() as tx:
        await expiry.sweep(tx, now=clock())

    found = await door.events(subject_id=account)
    assert [one["type"] for one in found] == ["account.closed"]

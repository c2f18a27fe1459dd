"""An emergency opens doors without work: at once, for a while, told, looked at, and not hidden."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from privacy_gateway.clients.mail import Mail, MailServer, Sender
from privacy_gateway.domain.break_glass import opening
from privacy_gateway.domain.break_glass.telling import Telling
from privacy_gateway.domain.policy.limits import BreakGlass as Terms
from privacy_gateway.models import StaffMember
from privity_contracts import ids
from privity_database import Database

from .conftest import bearer

WHY = {"reason": "system_failure", "ticket": "INC-4711"}


async def broken(gateway, username="engineer", **changes):
    """The answer of the exchange, and the emergency's number if there is one."""
    answer = await gateway.ask(username, "break_glass", **WHY | changes)
    if answer.status_code != 200:
        return answer, None
    [detail] = answer.json()["authorization_details"]
    return answer, detail["work"].removeprefix("break-glass/")


async def watching(gateway, username="officer"):
    return await gateway.grant(username, "access_oversight", "shop")


async def told(mail_sink, number, *, seconds=5):
    async with asyncio.timeout(seconds):
        while not mail_sink.about(number):  # noqa: ASYNC110  # the mail server tells nobody
            await asyncio.sleep(0.01)
    return mail_sink.about(number)


async def test_an_emergency_opens_any_order_and_not_all_of_it(gateway, an_order, records):
    answer, _ = await broken(gateway)
    order = await an_order(assignee=None, site="south")

    read = await gateway.get(order.path, bearer(answer.json()["access_token"]))

    assert read.status_code == 200
    assert "Anna" not in read.text  # masked also now
    [record] = await records(read)
    assert (record["purpose"], record["role"]) == ("break_glass", "engineer_on_call")
    assert record["work"].startswith("break-glass/t1:")


async def test_it_lasts_as_long_as_the_policy_says_and_is_recorded_with_its_reason(
    gateway, records
):
    answer, number = await broken(gateway)

    assert answer.json()["expires_in"] == 30 * 60
    [detail] = answer.json()["authorization_details"]
    assert detail["work"] == f"break-glass/{number}"
    assert detail["budget"]["allowed"] == 25
    [record] = await records(answer)
    assert (record["kind"], record["reason"]) == ("grant", "system_failure")


async def test_the_data_protection_officer_is_told_at_once(gateway, mail_sink):
    _, number = await broken(gateway)

    [message] = await told(mail_sink, number)

    assert message["To"] == "privacy@shop.example"
    assert message["Subject"] == "Emergency access: engineer on call"
    content = message.get_payload()
    for said in (number, "system_failure", "INC-4711"):
        assert said in content
    headers = await watching(gateway)
    assert (await gateway.get(f"/v1/break-glass/{number}", headers)).json()["told_at"]


REFUSED = [
    ({}, "kim", "access_denied", "purpose_not_allowed"),
    ({}, "owner", "access_denied", "purpose_not_allowed"),
    ({"reason": "curiosity"}, "engineer", "invalid_authorization_details", "reason"),
    ({"reason": ...}, "engineer", "invalid_authorization_details", "members"),
    ({"ticket": ...}, "engineer", "invalid_authorization_details", "members"),
    ({"ticket": "asked by Anna"}, "engineer", "invalid_authorization_details", "ticket"),
    ({"ticket": "INC-123456789"}, "engineer", "invalid_authorization_details", "ticket"),
    ({"work": "shop"}, "engineer", "invalid_authorization_details", "members"),
]


@pytest.mark.parametrize(("changes", "username", "error", "why"), REFUSED)
async def test_it_takes_the_right_a_reason_and_a_ticket(
    gateway, changes, username, error, why, mail_sink
):
    detail = {name: value for name, value in (WHY | changes).items() if value is not ...}

    answer = await gateway.ask(username, "break_glass", **detail)

    assert (answer.status_code, answer.json()) == (
        400,
        {"error": error, "error_description": why},
    )


async def test_a_grant_with_work_has_no_reason(gateway):
    answer = await gateway.ask("kim", "warehousing", "site/north", **WHY)

    assert answer.json()["error_description"] == "members"


async def test_an_engineer_has_no_other_purpose(gateway):
    for purpose, work in (("access_oversight", "shop"), ("order_verification", "site/north")):
        answer = await gateway.ask("engineer", purpose, work)
        assert answer.json()["error_description"] == "purpose_not_allowed"


async def test_the_customer_sees_it(gateway, an_order, as_customer):
    answer, _ = await broken(gateway)
    order = await an_order(assignee=None)
    await gateway.get(order.path, bearer(answer.json()["access_token"]))

    seen = (await gateway.get("/v1/my/accesses", as_customer(order.subject))).json()

    [entry] = [each for each in seen["accesses"] if each["did"] == "looked at"]
    assert entry["who"] == "an engineer in an emergency"
    assert entry["why"] == "an emergency"


async def test_it_stands_in_the_list_until_somebody_looked_at_it(gateway, records):
    _, number = await broken(gateway)
    headers = await watching(gateway)
    path = f"/v1/break-glass/{number}"

    pending = (await gateway.get("/v1/break-glass?state=pending", headers)).json()["items"]
    assert pending[0]["id"] == number
    assert pending[0]["overdue"] is False
    days = datetime.fromisoformat(pending[0]["review_by"]) - datetime.fromisoformat(
        pending[0]["opened_at"]
    )
    assert days == timedelta(days=3)

    answer = await gateway.post(f"{path}/review", headers, {"outcome": "justified"})

    assert (answer.status_code, answer.json()["outcome"]) == (200, "justified")
    [record] = await records(answer)
    assert record["reason"] == "emergency_justified"
    left = (await gateway.get("/v1/break-glass?state=pending", headers)).json()["items"]
    assert number not in {each["id"] for each in left}
    again = await gateway.post(f"{path}/review", headers, {"outcome": "justified"})
    assert again.json() == answer.json()
    other = await gateway.post(f"{path}/review", headers, {"outcome": "not_justified"})
    assert (other.status_code, other.json()["code"]) == (409, "already_reviewed")


async def test_not_justified_ends_it_at_every_gateway(gateway, other_gateway, an_order):
    answer, number = await broken(gateway)
    order = await an_order(assignee=None)
    grant = bearer(answer.json()["access_token"])
    assert (await other_gateway.get(order.path, grant)).status_code == 200

    headers = await watching(gateway)
    body = {"outcome": "not_justified"}
    await gateway.post(f"/v1/break-glass/{number}/review", headers, body)

    assert (await gateway.get(order.path, grant)).status_code == 401
    async with asyncio.timeout(2):
        while (  # noqa: ASYNC110  # the feed tells nobody
            await other_gateway.get(order.path, grant)
        ).status_code == 200:
            await asyncio.sleep(0.02)


async def test_nobody_looks_at_their_own(gateway, records):
    _, number = await broken(gateway, "officer")
    headers = await watching(gateway, "officer")

    answer = await gateway.post(
        f"/v1/break-glass/{number}/review", headers, {"outcome": "justified"}
    )

    assert (answer.status_code, answer.json()["code"]) == (403, "own_break_glass")
    [record] = await records(answer)
    assert record["reason"] == "own_break_glass"
    others = await watching(gateway, "owner")
    body = {"outcome": "justified"}
    assert (await gateway.post(f"/v1/break-glass/{number}/review", others, body)).is_success


async def test_the_list_is_read_page_by_page(gateway):
    numbers = [(await broken(gateway))[1] for _ in range(3)]
    headers = await watching(gateway)

    first = (await gateway.get("/v1/break-glass?limit=2", headers)).json()
    path = f"/v1/break-glass?limit=1&cursor={first['next_cursor']}"
    second = (await gateway.get(path, headers)).json()

    assert [each["id"] for each in first["items"] + second["items"]] == numbers[::-1]


async def test_emergencies_are_nobody_elses_business(gateway):
    other = await gateway.grant("owner", "partner_management", "shop")
    headers = await watching(gateway)

    assert (await gateway.get("/v1/break-glass", other)).status_code == 403
    assert (await gateway.get("/v1/break-glass", {})).status_code == 401
    missing = f"/v1/break-glass/{ids.mint('brk')}"
    assert (await gateway.get(missing, headers)).json()["code"] == "break_glass_not_found"
    assert (await gateway.get(f"/v1/break-glass?cursor={ids.mint('brk')}", headers)).is_error


NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Clock:
    now = NOON

    def __call__(self):
        return self.now


@pytest.fixture
async def scratch(gateway_database):
    opened = Database(gateway_database.runtime, pool_size=4)
    async with opened.transaction() as tx:
        await tx.execute(text("DELETE FROM break_glass"))
    yield opened
    await opened.dispose()


@pytest.fixture
async def an_opening(scratch):
    who = ids.mint("stf")
    async with scratch.transaction() as tx:
        tx.add(
            StaffMember(
                id=who, username=who, password_hash="", given_roles=[], sites=[], listed=True
            )
        )

    async def make():
        number = opening.new_id()
        terms = Terms(minutes=30, review_days=3, reasons={"system_failure": "x"})
        async with scratch.transaction() as tx:
            await opening.write_down(
                tx,
                number,
                staff_id=who,
                role="engineer_on_call",
                reason="system_failure",
                ticket="INC-1",
                terms=terms,
                now=NOON,
            )
        return number

    return make


@pytest.fixture
def teller(scratch, mail_sink):
    """Makes what tells in one process."""
    mail_sink.answer = "250 taken"

    def make(clock):
        server = MailServer("127.0.0.1", mail_sink.port, require_tls=False)
        mail = Mail(server, sender=Sender.parse("Shop <shop@shop.example>"), total_seconds=3)
        return Telling(scratch, mail, to="privacy@shop.example", clock=clock)

    yield make
    mail_sink.answer = "250 taken"


async def test_what_could_not_be_told_is_told_later(teller, an_opening, mail_sink):
    clock = Clock()
    telling, number = teller(clock), await an_opening()
    mail_sink.answer = "451 not now"

    assert await telling.tell_one()
    assert not await telling.tell_one()  # put off
    clock.now += timedelta(seconds=20)
    mail_sink.answer = "550 no such mailbox"
    assert await telling.tell_one()
    mail_sink.answer = "250 taken"
    clock.now += timedelta(seconds=39)
    assert not await telling.tell_one()
    clock.now += timedelta(seconds=1)
    assert await teller(clock).tell_one()  # also by another process

    assert len(mail_sink.about(number)) == 1
    clock.now += timedelta(days=1)
    assert not await telling.tell_one()


async def test_two_processes_tell_once(teller, an_opening, mail_sink):
    clock = Clock()
    tellers, number = [teller(clock) for _ in range(4)], await an_opening()

    assert sum(await asyncio.gather(*(each.tell_one() for each in tellers))) == 1

    assert len(mail_sink.about(number)) == 1


async def test_a_late_review_is_called_for_once_a_day(teller, an_opening, mail_sink, scratch):
    clock = Clock()
    telling, number = teller(clock), await an_opening()
    clock.now += timedelta(days=3, seconds=-1)
    assert not await telling.remind_one()

    for wait in (1, 86_399, 1):
        clock.now += timedelta(seconds=wait)
        await telling.remind_one()

    subjects = [message["Subject"] for message in mail_sink.about(number)]
    assert subjects == ["Emergency access not reviewed yet: engineer on call"] * 2
    async with scratch.transaction() as tx:
        await tx.execute(text("UPDATE break_glass SET outcome = 'justified'"))
    clock.now += timedelta(days=2)
    assert not await telling.remind_one()

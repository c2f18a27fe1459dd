"""What cannot be written down does not happen: no read, no change, while the audit store is away.

Stopped, slow, full or frozen, everyone who asks for personal data is told to come back later,
within two seconds and without a byte of it; and when the store is back, so is the service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest

from privity_contracts.ids import mint
from privity_deploy.client import eventually
from privity_deploy.seed import Shop
from privity_deploy.stack import Stack
from privity_postgres import for_driver

from . import doors
from .audit_store import AuditStore
from .conftest import Household, MakeProduct
from .doors import Door, Request, Services
from .people import Answer, Customer, Someone, Staff, Town, search_for
from .second_gateway import SecondGateway

PROBLEM = {"type", "title", "status", "code", "detail", "instance"}
# What the requirement allows from the question to the last byte of the answer.
SECONDS = 2.0
AT_ONCE = 16
DISCLOSING = {"/v1/disclosures", "/v1/messages"}
# Counters and timers, which move by themselves.
RESTLESS = {"jobs", "attempt_counts", "alembic_version"}
SERVICE_DATABASES = ("privity_customers", "privity_orders", "privity_logistics")


@pytest.fixture(scope="module")
def store(stack: Stack) -> AuditStore:
    return AuditStore(stack)


@pytest.fixture(scope="module")
def services(shop: Shop) -> Services:
    return Services.of(shop.url, shop.secrets_dir)


@pytest.fixture(scope="module")
def all_doors(shop: Shop) -> list[Door]:
    return doors.doors(Someone(shop.url).get("/openapi.json"))


@pytest.fixture(scope="module")
def customers_email(household: Household, stack: Stack) -> str:
    """As the customers service holds it."""
    return asyncio.run(sealed_email(stack, household[0].id))


@pytest.fixture(scope="module")
def reads(
    household: Household,
    all_doors: list[Door],
    services: Services,
    staff: Staff,
    customers_email: str,
) -> dict[Request, Answer]:
    """Everything through which personal data is read, by everyone who can, and what they get.

    Services that no policy trusts are refused, and that, too, is written down first.
    """
    customer, ids = household
    asked = [
        request
        for door in all_doors
        if door.reads and door.gives_personal
        for request in doors.requests(door, customer, ids, staff, services)
    ]
    asked += own_reads(household, staff) + disclosures(services, ids, customers_email)
    answers = {request: ask(request) for request in asked}
    return {r: a for r, a in answers.items() if a.status < 300 or a.code == "purpose_not_allowed"}


def own_reads(household: Household, staff: Staff) -> list[Request]:
    """What the gateway itself tells of people."""
    customer, _ = household
    record = customer.address["privacy"]["record"]
    search = {"subject": customer.id, "reveal": ["subject", "actor"]}
    found = [Request("own accesses", customer.who, "GET", "/v1/my/accesses")]
    for username in ("auditor", "owner"):
        who = staff.grant(username, "audit_review")
        found += [
            Request(f"audit search ({username})", who, "POST", "/v1/audit/searches", search),
            Request(f"audit record ({username})", who, "GET", f"/v1/audit/records/{record}"),
        ]
    return found


def disclosures(services: Services, ids: Mapping[str, str], email: str) -> list[Request]:
    """What services have opened for others; sealed values come from where they may read them."""
    adapter = services["logistics-adapter"]
    details = adapter.get(f"/v1/orders/{ids['order_id']}/delivery")
    not_sent = {"order_id", "subject_id", "privacy"}
    delivery = {
        "id": mint("dlv"),
        "recipient_id": ids["recipient_id"],
        "order_id": ids["order_id"],
        "subject_id": ids["subject_id"],
        "shipment_id": ids["shipment_id"],
        "kind": "delivery_request",
        "sealed": {
            name: value for name, value in details.items() if value and name not in not_sent
        },
        "facts": {"weight_grams": 1000},
    }
    letter = {
        "id": mint("msg"),
        "template": "confirm_registration",
        "subject_id": ids["subject_id"],
        "email": email,
        "facts": {"code": "12345678"},
    }
    return [
        Request("delivery to a partner", adapter, "POST", "/v1/disclosures", delivery),
        Request("mail to a customer", services["customers"], "POST", "/v1/messages", letter),
    ]


async def sealed_email(stack: Stack, account_id: str) -> str:
    connection = await asyncpg.connect(for_driver(stack.places.runtime_url("privity_customers")))
    try:
        email: str = await connection.fetchval(
            "SELECT email FROM accounts WHERE id = $1", account_id
        )
        return email
    finally:
        await connection.close()


def ask(request: Request) -> Answer:
    body = request.body
    if body and "id" in body:  # what was done once under an id is answered from memory
        body = {**body, "id": mint(body["id"][:3])}
    return request.who.ask(request.method, request.path, body, headers=request.headers)


async def all_of(requests: Sequence[Request]) -> dict[str, Answer]:
    def asked() -> list[Answer]:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            return list(threads.map(ask, requests))

    answers = await asyncio.to_thread(asked)
    return {request.name: answer for request, answer in zip(requests, answers, strict=True)}


def a_few(reads: Mapping[Request, Answer]) -> list[Request]:
    """Each door with one caller of each kind, for trouble that makes everyone wait."""
    chosen: dict[tuple[str, str], Request] = {}
    for request in reads:
        door, _, by = request.name.partition(" (")
        kind = "staff" if " for " in by and "customer" not in by else by
        chosen.setdefault((door, kind), request)
    return list(chosen.values())


def wrong_with(answer: Answer, customer: Customer) -> list[str]:
    """Whether somebody was told to come back later, and nothing else."""
    wrong = []
    if answer.status != 503:
        wrong.append(f"status {answer.status}")
    if not answer.headers.get("retry-after", "").isdigit():
        wrong.append("no Retry-After")
    if answer.code is None:
        wrong.append("no problem document")
    elif set(answer.json) - PROBLEM:
        wrong.append(f"more than a problem: {sorted(set(answer.json) - PROBLEM)}")
    return wrong + [
        f"{label} as {spelling}"
        for label, spelling in search_for({**customer.private, "id": customer.id}).text(answer.body)
    ]


def require_refused(answers: Mapping[str, Answer], customer: Customer) -> None:
    wrong = {name: wrong_with(answer, customer) for name, answer in answers.items()}
    assert {name: faults for name, faults in wrong.items() if faults} == {}


def slowest(answers: Mapping[str, Answer]) -> float:
    return max(answer.seconds for answer in answers.values())


def too_slow(answers: Mapping[str, Answer]) -> dict[str, float]:
    return {name: a.seconds for name, a in answers.items() if a.seconds >= SECONDS}


async def seconds_until_back(customer: Customer) -> float:
    began = asyncio.get_running_loop().time()

    def back() -> bool:
        return customer.who.ask("GET", "/v1/profile").status == 200

    await asyncio.to_thread(eventually, back, within=10, what="service")
    return asyncio.get_running_loop().time() - began


TROUBLES: dict[str, Callable[[AuditStore], AbstractAsyncContextManager[None]]] = {
    "stopped": AuditStore.stopped,
    "full": AuditStore.full,
    "slow by five seconds": AuditStore.slow,
    "locked by somebody": AuditStore.locked,
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_no_personal_data_is_read_while_the_audit_store_is(
    trouble: str,
    store: AuditStore,
    reads: dict[Request, Answer],
    household: Household,
    visitor: Someone,
    record_figures: Callable[[str], None],
) -> None:
    customer, ids = household
    asked = list(reads) if trouble in {"stopped", "full"} else a_few(reads)

    async with TROUBLES[trouble](store):
        answers = await all_of(asked)
        goods = await asyncio.to_thread(visitor.ask, "GET", f"/v1/products/{ids['product_id']}")
        notice = await asyncio.to_thread(visitor.ask, "GET", "/v1/policy")
    back = await seconds_until_back(customer)
    afterwards = await all_of(a_few(reads))

    require_refused(answers, customer)
    assert too_slow(answers) == {}
    assert (goods.status, notice.status) == (200, 200)
    before = {request.name: answer.status for request, answer in reads.items()}
    assert {name: answer.status for name, answer in afterwards.items()} == {
        name: before[name] for name in afterwards
    }
    record_figures(
        f"audit store {trouble}: {len(answers)} reads refused, slowest {slowest(answers):.2f} s,"
        f" back after {back:.2f} s"
    )


async def test_no_personal_data_is_read_while_the_database_server_stands_still(
    store: AuditStore,
    stack: Stack,
    reads: dict[Request, Answer],
    household: Household,
    record_figures: Callable[[str], None],
) -> None:
    if not stack.owns_postgres:
        pytest.skip("DATABASE_URL names the server: it is not ours to stop")
    customer, _ = household
    # Disclosures are not answered with data, and ask the gateway's own database first.
    asked = [request for request in a_few(reads) if request.path not in DISCLOSING]

    async with store.frozen():
        at_first = await all_of(asked)
        # From now on not even revoked tokens can be told from others.
        await asyncio.sleep(max(0.0, 5.5 - slowest(at_first)))
        later = await all_of(asked)
    back = await seconds_until_back(customer)

    for answers in (at_first, later):
        require_refused(answers, customer)
        assert too_slow(answers) == {}
    record_figures(
        f"server frozen: {len(at_first) + len(later)} reads refused, slowest"
        f" {max(slowest(at_first), slowest(later)):.2f} s, back after {back:.2f} s"
    )


async def test_more_than_can_wait_is_turned_away_at_once(
    store: AuditStore,
    another_gateway: SecondGateway,
    household: Household,
    record_figures: Callable[[str], None],
) -> None:
    customer, _ = household
    who = customer.who.elsewhere(another_gateway.url)
    now = datetime.now(UTC).isoformat()
    # As many records as there are entries: a few such lists are more than the queue holds.
    session = {"started_at": now, "refreshed_at": now, "ends_at": now, "current": False}
    long_list = {
        "items": [{"subject_id": customer.id, "id": mint("ses"), **session} for _ in range(400)]
    }
    asked = [Request(f"list {n}", who, "GET", "/v1/sessions") for n in range(40)]

    with another_gateway.wrong(answers={"/v1/sessions": long_list}):
        assert ask(asked[0]).status == 200
        async with store.locked():
            answers = await all_of(asked)
        assert await asyncio.to_thread(
            eventually, lambda: ask(asked[0]).status == 200, within=10, what="service"
        )

    require_refused(answers, customer)
    assert too_slow(answers) == {}
    turned_away = [a for a in answers.values() if a.code == "audit_store_full"]
    assert turned_away
    record_figures(
        f"queue full: {len(turned_away)} of {len(answers)} lists of 400 records turned away at"
        f" once, slowest answer {slowest(answers):.2f} s"
    )


@pytest.fixture(scope="module")
def people_in_the_middle(town: Town, staff: Staff, make_product: MakeProduct) -> list[Household]:
    """Customers with orders at each point where somebody can still do something."""
    product = make_product()
    found = []
    for token, confirmed in (
        ("tok_approve", False),
        ("tok_approve", True),
        ("tok_decline", False),
        ("tok_challenge", False),
    ):
        customer = town.customer()
        order = town.order(customer, product, token=token)
        ids = town.ids_of(customer, order)
        if confirmed:
            support = staff.grant("support", "order_verification", f"order/{order['id']}")
            support.post(f"/v1/orders/{order['id']}/confirmation")
        ids["case_id"] = ids["enquiry of support"] = town.case(customer, order["id"])
        staff.take_case("support", ids["case_id"])
        found.append((customer, ids))
    return found


def writes(
    people: Sequence[Household], all_doors: Sequence[Door], staff: Staff, services: Services
) -> Iterator[Request]:
    for number, (customer, ids) in enumerate(people):
        for door in all_doors:
            # Whoever wants to be signed out is signed out, whatever else stands still.
            if not door.reads and door.path != "/v1/sessions/current":
                for request in doors.requests(door, customer, ids, staff, services):
                    yield replace(request, name=f"{request.name} of {number}")


@pytest.mark.parametrize("trouble", ["stopped", "full"])
async def test_nothing_is_changed_while_the_audit_store_is(
    trouble: str,
    store: AuditStore,
    stack: Stack,
    people_in_the_middle: list[Household],
    all_doors: list[Door],
    staff: Staff,
    services: Services,
    record_figures: Callable[[str], None],
) -> None:
    asked = await asyncio.to_thread(
        lambda: list(writes(people_in_the_middle, all_doors, staff, services))
    )
    before = await contents(stack)

    async with TROUBLES[trouble](store):
        answers = await all_of(asked)
        after = await contents(stack)

    customer, _ = people_in_the_middle[0]
    # Who writes about nobody in particular is told so before anything else is looked at.
    require_refused({n: a for n, a in answers.items() if a.code != "malformed"}, customer)
    assert changed(before, after) == []
    await seconds_until_back(customer)
    refused = sum(answer.status == 503 for answer in answers.values())
    record_figures(
        f"audit store {trouble}: {refused} of {len(asked)} changes refused, none of them made"
    )


async def test_what_was_refused_can_be_done_when_the_store_is_back(
    store: AuditStore, town: Town, staff: Staff, make_product: MakeProduct
) -> None:
    customer = await asyncio.to_thread(town.customer)
    order = town.order(customer, make_product(), token="tok_decline")
    again = {"token": "tok_approve"}
    pay = f"/v1/orders/{order['id']}/payments"
    headers = {"Idempotency-Key": "the same one both times"}
    async with store.stopped():
        refused = customer.who.ask("POST", pay, again, headers=headers)
    await seconds_until_back(customer)

    paid = customer.who.ask("POST", pay, again, headers=headers)

    assert (refused.status, refused.code) == (503, "audit_store_unavailable")
    assert (paid.status, paid.json["state"]) == (201, "paid")


async def test_signing_out_needs_no_audit_store(store: AuditStore, town: Town) -> None:
    customer = await asyncio.to_thread(town.customer, with_address=False)
    async with store.stopped():
        out = customer.who.ask("DELETE", "/v1/sessions/current")
        afterwards = customer.who.ask("GET", "/v1/profile")

    assert (out.status, afterwards.status) == (204, 401)


async def test_a_refresh_that_was_refused_costs_nobody_their_session(
    store: AuditStore, town: Town
) -> None:
    customer = await asyncio.to_thread(town.customer, with_address=False)
    body = {"refresh_token": customer.refresh_token}
    async with store.stopped():
        refused = customer.who.ask("POST", "/v1/sessions/refresh", body)
    await seconds_until_back(customer)

    refreshed = customer.who.ask("POST", "/v1/sessions/refresh", body)

    assert (refused.status, refreshed.status) == (503, 200)


async def contents(stack: Stack) -> dict[str, str]:
    """A digest of each table of each service."""
    found = {}
    for database in SERVICE_DATABASES:
        connection = await asyncpg.connect(for_driver(stack.places.runtime_url(database)))
        try:
            tables = await connection.fetch(
                "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            )
            for (table,) in tables:
                if table not in RESTLESS:
                    found[f"{database}.{table}"] = await connection.fetchval(
                        f"SELECT md5(coalesce(string_agg(t::text, '' ORDER BY t::text), ''))"  # noqa: S608
                        f' FROM "{table}" AS t'
                    )
        finally:
            await connection.close()
    return found


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    return [table for table in before if before[table] != after[table]]

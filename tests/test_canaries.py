"""Planted values are driven through every route and every way to go wrong; then every byte that the
shop left anywhere is searched for them, in every spelling, and every answer as well.

The same search, in the same pass, has to find twelve leaks that are put where leaks lie.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg
import pytest

from privity_deploy.raw_places import raw_places
from privity_deploy.raw_search import Hit, RawSearch
from privity_deploy.seed import Shop
from privity_deploy.stack import Stack
from privity_postgres import for_driver

from . import doors, leaks
from .audit_store import AuditStore
from .canaries import Canaries, told
from .conftest import MakeProduct, settle
from .doors import Request, Services
from .drive import Drive
from .dumps import dump, roles
from .hostile import Wrong, wrong_requests
from .leaks import LEAKS, Leak
from .own_doors import own_requests
from .people import PATIENCE, Carrier, Customer, Someone, Staff, Town, new_key
from .people import address as usual_address
from .second_gateway import SecondGateway
from .trouble import SQL_STATES, drive_broken, drive_through_kills, echoing_mail, failing_rows

pytestmark = pytest.mark.timeout(3600 if os.environ.get("PRIVITY_CANARIES") == "long" else 300)

Figures = Callable[[str], None]
THOROUGH = os.environ.get("PRIVITY_CANARIES") == "long"  # as `make torture` asks
DATABASES = ("privity_customers", "privity_orders", "privity_logistics", "privity_gateway")
# What ends a session, or what others still need, comes last.
LAST = ("/closure", "/cancellation", "/v1/password", "/v1/sessions/refresh", "/v1/sessions/current")
SEARCHED_FOR = 80
# Their forms are sent as such, and so count among the wrong ways.
FORMS = {("POST", f"/v1/token{end}") for end in ("", "/revocation", "/introspection")}


@dataclass(frozen=True, slots=True)
class Driven:
    drive: Drive
    published: doors.Json
    requests: list[Request]


@pytest.fixture(scope="module")
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture(scope="module")
def resident(town: Town, canaries: Canaries) -> Customer:
    """Somebody all of whose data are planted values."""
    customer = town.register(
        name=canaries.of("the account", "name"),
        email=canaries.of("the account", "email"),
        phone=canaries.of("the account", "phone"),
    )
    given = canaries.fill("the address", usual_address(customer))
    customer.address = customer.who.post("/v1/addresses", given, key=new_key())
    return customer


@pytest.fixture(scope="module")
def driven(
    stack: Stack,
    shop: Shop,
    town: Town,
    staff: Staff,
    carrier: Carrier,
    resident: Customer,
    canaries: Canaries,
    make_product: MakeProduct,
    another_gateway: SecondGateway,
) -> Driven:
    drive = Drive(canaries)
    published = Someone(shop.url).get("/openapi.json")
    with carrier.behaving(mode="error_500_echoing", times=2):
        ids = settle(resident, town, staff, make_product(), delivered=False)
    services = Services.of(shop.url, shop.secrets_dir)
    asked = [
        planted_in(request, canaries)
        for door in doors.doors(published)
        for request in doors.requests(door, resident, ids, staff, services)
    ]
    asked.sort(key=in_order)
    own = list(own_requests(published, resident, ids, staff, services, canaries))
    lasting = [request for request in asked if not in_order(request)[1]]
    one_each = list({(r.method, r.door.path): r for r in lasting}.values())

    drive_whole(drive, lasting)
    drive_own(drive, own)
    drive_wrong(drive, asked, own)
    requests = asked if THOROUGH else one_each
    drive_broken(drive, another_gateway, requests, every=THOROUGH)
    drive_mail(drive, shop, canaries)
    asyncio.run(drive_databases(drive, stack, one_each))
    killed = ("privacy-gateway", "customers", "orders") if THOROUGH else ("customers",)
    drive_through_kills(drive, stack, killed, one_each)
    if THOROUGH and stack.owns_postgres:
        drive_through_kills(drive, stack, ("postgres",), one_each)
    drive_whole(drive, asked[len(lasting) :])
    # The others in this shop send parcels, too.
    route = {"recipient_id": ids["recipient_id"]}
    staff.grant("owner", "partner_management").put("/v1/carrier-routes/DE", route)
    return Driven(drive, published, asked)


def in_order(request: Request) -> tuple[bool, bool, bool]:
    ends = request.path.endswith(LAST)
    return not request.door.reads, ends or request.method == "DELETE", ends


def planted_in(request: Request, canaries: Canaries) -> Request:
    # A change of the mailbox takes the right password.
    keep = frozenset({"password"} if request.path == "/v1/profile/email" else ())
    body = canaries.fill(request.door.name, request.body, keep=keep)
    return replace(request, body=body)


def drive_whole(drive: Drive, asked: list[Request]) -> None:
    """As it should be, by everyone who may."""
    reads = [request for request in asked if request.door.reads]
    drive.at_once(lambda r=request: read(drive, r) for request in reads)
    for request in asked[len(reads) :]:
        drive.ask("whole", request)


def read(drive: Drive, request: Request) -> None:
    """Who is told to come back later does: a busy machine is no bug."""
    for _ in range(PATIENCE):
        answer = drive.ask("whole", request)
        if answer is not None and answer.status != 503:
            return
        time.sleep(1)


def drive_own(drive: Drive, own: list[tuple[Request, bytes | None]]) -> None:
    drive.at_once(lambda r=request, f=form: ask_own(drive, r, f) for request, form in own)


def ask_own(drive: Drive, request: Request, form: bytes | None) -> None:
    if form is None:
        drive.ask("own", request)
        return
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    drive.ask_wrongly(request, Wrong("form", request.method, request.path, headers, form))


def drive_wrong(
    drive: Drive, asked: list[Request], own: list[tuple[Request, bytes | None]]
) -> None:
    """Each door by one of its callers in turn, or in the long form by all of them."""
    everyone = [*asked, *(request for request, _ in own)]
    chosen = {}
    for number, request in enumerate(everyone):
        door = (request.method, request.door.path)
        if door not in chosen or number % 3 == 0:
            chosen[door] = request
    drive.at_once(
        lambda r=request, w=wrong: drive.ask_wrongly(r, w)
        for request in (everyone if THOROUGH else chosen.values())
        for wrong in wrong_requests(request, drive.canaries, thorough=THOROUGH)
    )


def drive_mail(drive: Drive, shop: Shop, canaries: Canaries) -> None:
    """Registrations whose letters the mail server refuses, quoting the mailbox or the letter."""
    for mode in ("refuse_echoing", "try_later_echoing"):
        person = {
            "name": canaries.of(mode, "name"),
            "email": canaries.of(mode, "email"),
            "phone": canaries.of(mode, "phone"),
            "password": canaries.of(mode, "password"),
        }
        visitor = Someone(shop.url)
        path = "/v1/registrations"
        with echoing_mail(shop, mode):
            drive.ask(f"mail: {mode}", Request(mode, visitor, "POST", path, person))
            time.sleep(1.5)  # a job writes the letter


async def drive_databases(drive: Drive, stack: Stack, requests: list[Request]) -> None:
    """Writes while the database refuses rows, and everything while records cannot be written."""
    writes = [request for request in requests if not request.door.reads]

    def ask_all(way: str, which: list[Request]) -> None:
        drive.at_once(lambda r=request: drive.ask(way, r) for request in which)

    for state in SQL_STATES if THOROUGH else SQL_STATES[:2]:
        async with failing_rows(stack, DATABASES, state):
            await asyncio.to_thread(ask_all, f"database: {state}", writes)
    store = AuditStore(stack)
    async with store.full():
        await asyncio.to_thread(ask_all, "audit store full", requests if THOROUGH else writes)
    if THOROUGH:
        async with store.stopped():
            await asyncio.to_thread(ask_all, "audit store stopped", requests)


def everything_left(stack: Stack, scratch: Path) -> list[Path]:
    """Each file that a byte of it may lie in, dumps as every role and crashes' remains too."""

    async def written_down() -> list[Path]:
        admin = await asyncpg.connect(for_driver(stack.places.admin_url))
        try:
            await admin.execute("CHECKPOINT")
        finally:
            await admin.close()
        return (await raw_places(stack.running, scratch)).files

    for name, port in stack.running.ports.items():
        if name.endswith(".metrics"):
            figures = Someone(f"http://127.0.0.1:{port}/metrics").ask("GET", "")
            assert b"privity_retention_overdue" in figures.body
            (scratch / name).write_bytes(figures.body)
    dumps = scratch / "dumps"
    dumps.mkdir(parents=True)
    if stack.owns_postgres:
        for name, url in roles(stack).items():
            dump(stack, url, dumps / name)
    remains = [path for path in stack.places.root.iterdir() if path.name.startswith("core")]
    remains += list(Path(tempfile.gettempdir()).iterdir())
    return asyncio.run(written_down()) + [path for path in remains if path.is_file()]


def test_every_route_was_driven_by_everyone_and_in_every_wrong_way(
    driven: Driven, record_figures: Figures
) -> None:
    drive = driven.drive
    answered = {
        (request.method, request.door.path)
        for request, answer in drive.answers
        if request.door is not None
    }
    succeeded = {r.door.name for r, a in drive.answers if r.door is not None and a.status < 300}
    routes = {
        (method.upper(), path)
        for path, operations in driven.published["paths"].items()
        for method in operations
    }

    assert routes - answered <= FORMS
    assert {r.door.name for r in driven.requests if r.method == "GET"} <= succeeded
    assert len(drive.canaries.values) >= SEARCHED_FOR
    assert len(drive.ways) >= 40
    callers = {request.name for request, _ in drive.answers if request.door is not None}
    record_figures(
        f"canaries: {len(drive.canaries.values)} values, {len(routes)} routes, {len(callers)} "
        f"of routes and callers, {len(drive.ways)} ways, {len(drive.answers)} answers"
    )


@pytest.fixture(scope="module")
def finder(driven: Driven) -> RawSearch:
    """For what was driven through and for what leaks: built once, it takes longer than its use."""
    return RawSearch({**driven.drive.canaries.values, **leaks.values()})


@pytest.fixture(scope="module")
def hits(finder: RawSearch, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> list[Hit]:
    """Whatever is found in every byte that is left, with twelve leaks among it."""
    leaking = {leak.what: finder.values[leak.what] for leak in LEAKS}
    with leaks.planted(stack, leaking):
        return list(finder.files(everything_left(stack, tmp_path_factory.mktemp("left"))))


def test_no_answer_says_a_planted_value_but_where_the_policy_reveals_it(
    driven: Driven, finder: RawSearch
) -> None:
    wrong = [
        line for request, answer in driven.drive.answers for line in told(request, answer, finder)
    ]

    assert wrong == []


def test_no_byte_that_is_left_anywhere_spells_a_planted_value(
    driven: Driven, finder: RawSearch, hits: list[Hit], record_figures: Figures
) -> None:
    found = [hit for hit in hits if hit.value in driven.drive.canaries.values]

    assert [(hit.path.name, hit.value, hit.spelling) for hit in found] == []
    assert finder.seen.size > 50_000_000
    record_figures(
        f"canaries: {finder.seen.size / 1e6:.0f} MB in {finder.seen.files} files searched:"
        f" {len(found)} hits"
    )


def is_of(hit: Hit, leak: Leak, stack: Stack) -> bool:
    database, dot, table = leak.where.partition(".public.")
    if dot:  # on a server that others share it has another name
        database = stack.places.databases[database].name
    there = database + dot + table in str(hit.path)
    return there and hit.value == leak.what and leak.spelling in hit.spelling


def test_twelve_planted_leaks_are_found_by_file_and_spelling(
    stack: Stack, hits: list[Hit], record_figures: Figures
) -> None:
    found = {leak.what for leak in LEAKS if any(is_of(hit, leak, stack) for hit in hits)}

    assert {leak.what for leak in LEAKS} - found == set()
    record_figures(f"canaries: {len(LEAKS)} planted leaks, {len(found)} found")

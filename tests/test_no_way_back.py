"""After a deletion there is no way back to the person: for nobody, at no door, in no export."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from privity_deploy.client import eventually
from privity_deploy.raw_search import RawSearch
from privity_deploy.seed import Shop

from . import doors
from .conftest import SOON, Household, MakeProduct, settle
from .doors import Request, Services
from .people import Answer, Carrier, Customer, Someone, Staff, Town
from .test_deletion import finished


@pytest.fixture(scope="module")
def known(town: Town, staff: Staff, carrier: Carrier, make_product: MakeProduct) -> Household:
    """Somebody of whom the shop holds everything that it can hold."""
    customer = town.customer()
    with carrier.behaving(tracking_pause_seconds=SOON):
        return customer, settle(customer, town, staff, make_product(), delivered=True)


def everybody(shop: Shop, staff: Staff, known: Household) -> Iterator[Request]:
    """Who may read anything, with grants from before: at the services' doors and the gateway's."""
    customer, ids = known
    services = Services.of(shop.url, shop.secrets_dir)
    for door in doors.doors(Someone(shop.url).get("/openapi.json")):
        if door.reads:
            for request in doors.requests(door, customer, ids, staff, services):
                yield sought(request, customer)
    for name in ("support", "senior"):
        case_id = ids[f"enquiry of {name}"]
        who = staff.young_grant(name, "enquiries", f"case/{case_id}")
        yield Request(f"view ({name})", who, "GET", f"/v1/cases/{case_id}/view")
    for path in ("/v1/my/holdings", "/v1/my/accesses", "/v1/my/deletion"):
        yield Request(path, customer.who, "GET", path)


def sought(request: Request, customer: Customer) -> Request:
    """Whoever searches looks for this very person."""
    if not request.path.endswith("/searches") or request.body is None:
        return request
    theirs = {"email": customer.email, "phone": customer.phone}
    body = {name: theirs.get(name, value) for name, value in request.body.items()}
    return Request(request.name, request.who, request.method, request.path, body, request.headers)


def telling(requests: Iterable[Request], finder: RawSearch) -> tuple[list[str], list[Answer]]:
    """The names of those whose answers say anything of the person, and all answers."""
    answers = [
        (each, each.who.ask(each.method, each.path, each.body, headers=each.headers))
        for each in requests
    ]
    found = [each.name for each, answer in answers if finder.text(answer.body)]
    return found, [answer for _, answer in answers]


def exported(staff: Staff) -> bytes:
    """The record of accesses, whole, as an auditor takes it away."""
    auditor = staff.grant("auditor", "audit_review")
    asked = auditor.post("/v1/audit/exports", {"format": "ndjson"})
    path = f"/v1/audit/exports/{asked['id']}"
    eventually(lambda: auditor.get(path)["state"] == "ready", within=60, what="export")
    answer = auditor.ask("GET", f"{path}/archive")
    assert answer.status == 200
    return answer.body


def test_whoever_could_read_before_reads_nothing_afterwards_and_no_export_says_it(
    shop: Shop,
    town: Town,
    staff: Staff,
    visitor: Someone,
    known: Household,
    record_figures: Any,
) -> None:
    customer, _ = known
    requests = list(everybody(shop, staff, known))
    finder = RawSearch(customer.private)
    before, _ = telling(requests, finder)
    asked = town.delete_at_once(customer)
    eventually(finished(visitor, asked), within=60, what="end of the deletion")

    after, answers = telling(requests, finder)
    record = exported(staff)

    assert len(before) > 20  # the same requests, a moment ago
    assert {name.partition(" (")[0] for name in before} >= {"GET /v1/profile", "view"}
    assert after == []
    assert not [answer.body for answer in answers if answer.status == 500]
    assert len(record) > 100_000
    assert RawSearch({**customer.private, "id": customer.id}).text(record) == set()
    record_figures(
        f"deletion: {len(requests)} requests of everybody, {len(before)} told of the person"
        f" before, {len(after)} after; export of {len(record) / 1e6:.1f} MB: nothing"
    )

"""A customer is deleted: what goes, what stays, and that nothing opens it again."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from privity_deploy.client import eventually
from privity_deploy.raw_search import search
from privity_deploy.stack import Stack
from privity_postgres import for_driver

from .conftest import SOON, MakeProduct
from .people import PASSWORD, Carrier, Customer, Someone, Staff, Town, shipment_of

BOOKS = """
SELECT json_build_object('total', o.total, 'tax', o.tax, 'rate', o.tax_rate, 'state', o.state,
    'currency', o.currency, 'country', o.country, 'placed', o.placed_at,
    'lines', (SELECT json_agg(l.* ORDER BY position) FROM order_lines l WHERE l.order_id = o.id),
    'paid', (SELECT json_agg(json_build_array(p.amount, p.outcome, p.reference))
             FROM payments p WHERE p.order_id = o.id))::text
FROM orders o WHERE o.subject_id = $1 ORDER BY o.id
"""
SUMS = "SELECT country, currency, sum(total), sum(tax), count(*) FROM orders GROUP BY 1, 2"


def ask(stack: Stack, database: str, query: str, *values: Any) -> list[Any]:
    async def fetch() -> list[Any]:
        connection = await asyncpg.connect(for_driver(stack.places.owner_url(database)))
        try:
            return [tuple(row) for row in await connection.fetch(query, *values)]
        finally:
            await connection.close()

    return asyncio.run(fetch())


@pytest.fixture(scope="module")
def person(town: Town, staff: Staff, carrier: Carrier, make_product: MakeProduct) -> Customer:
    """A customer with a delivered order, a case, a consent, and nothing under way."""
    customer = town.customer()
    order = town.order(customer, make_product())

    def arrived() -> bool:
        return bool(customer.who.get(f"/v1/orders/{order['id']}")["state"] == "delivered")

    with carrier.behaving(tracking_pause_seconds=SOON):
        staff.pack(order["id"])
        eventually(arrived, within=60, what="confirmed delivery")
    town.case(customer, order["id"])
    version = customer.who.get("/v1/policy")["version"]
    customer.who.put("/v1/consents/marketing", {"given": True, "policy_version": version})
    return customer


def routes_of(customer: Customer, order: str) -> list[str]:
    return [
        *("/v1/profile", "/v1/addresses", "/v1/orders", "/v1/cases", "/v1/consents"),
        *("/v1/sessions", "/v1/my/accesses", "/v1/my/holdings"),
        *(f"/v1/orders/{order}{rest}" for rest in ("", "/delivery", "/history", "/shipment")),
    ]


def dumps(stack: Stack, folder: Path) -> list[Path]:
    found = []
    for name in stack.places.databases:
        file = folder / f"{name}.sql"
        url = for_driver(stack.places.owner_url(name))
        command = [stack.postgres.bin_dir / "pg_dump", "--dbname", url, "--file", file]
        subprocess.run([str(part) for part in command], check=True)
        found.append(file)
    return found


def finished(visitor: Someone, asked: dict[str, Any]) -> Callable[[], Any]:
    wanted = {"id": asked["id"], "receipt_key": asked["receipt_key"]}

    def look() -> Any:
        answer = visitor.ask("POST", "/v1/deletions/receipts", wanted)
        assert answer.status == 200, answer.body
        return answer.json if answer.json["state"] == "done" else None

    return look


def signed(visitor: Someone, receipt: str) -> Any:
    """What a receipt says, checked with the key that anybody can have."""
    key = ECKey.import_key(visitor.get("/v1/deletions/receipt-keys")["keys"][0])
    return json.loads(jws.deserialize_compact(receipt, key, algorithms=["ES256"]).payload)


def test_from_the_wish_to_the_receipt_the_person_is_gone_and_the_books_stay(
    *,
    stack: Stack,
    person: Customer,
    carrier: Carrier,
    visitor: Someone,
    tmp_path: Path,
    town: Town,
    staff: Staff,
) -> None:
    who = person.who
    [order] = who.get("/v1/orders")["items"]
    shipment = shipment_of(who, order["id"])["id"]

    def clocks_run() -> Any:
        items = who.get("/v1/my/holdings")["items"]
        bought = [f for f in items if f["category"] == "user.behavior.purchase_history"]
        return items if all(field["until"] for field in bought) else None

    held = eventually(clocks_run, within=20, what="news of the delivery")
    books, sums = ask(stack, "privity_orders", BOOKS, person.id), ask(stack, "privity_orders", SUMS)
    with_keys = "SELECT count(*) FROM data_keys WHERE subject = $1 AND destroyed_at IS NULL"
    assert ask(stack, "privity_keys", with_keys, person.id)[0][0] >= 4

    asked = town.delete_at_once(person)
    done = eventually(finished(visitor, asked), within=60, what="end of the deletion")

    # What was said before is what happened, and whoever has the public key can see it.
    assert {field["field"] for field in held} >= {"name", "email", "recipient", "shipment.line1"}
    assert all(field["why"] and field["rule"] for field in held)
    said = signed(visitor, done["receipt"])
    assert {part["class"] for part in said["kept"]} == {"books", "consent"}
    assert {part["class"] for part in said["gone"]} >= {"identity", "delivery", "case", "payment"}
    assert all(part["why"] and part["until"] for part in said["kept"])
    assert said["letter"] == "sent"
    assert said["searched"]["values"] >= 15
    assert said["searched"]["opened"] == 0
    assert [each["delivery"] for each in said["partners"]] != []
    auditor = staff.grant("auditor", "audit_review")
    assert auditor.get(f"/v1/audit/records/{said['record']}")["record"]["reason"] == "deletion_done"

    # No key, no way in, nothing in a dump, and the books add up.
    assert ask(stack, "privity_keys", with_keys, person.id) == [(0,)]
    for path in routes_of(person, order["id"]):
        assert who.ask("GET", path).status == 401
    again = {"email": person.email, "password": PASSWORD}
    assert visitor.ask("POST", "/v1/sessions", again).status == 401
    assert ask(stack, "privity_orders", BOOKS, person.id) == books
    assert ask(stack, "privity_orders", SUMS) == sums
    if stack.owns_postgres:
        assert list(search(dumps(stack, tmp_path), person.private)) == []
    finance = staff.grant("finance", "bookkeeping", f"order/{order['id']}")
    kept = finance.get(f"/v1/orders/{order['id']}")
    assert (kept["total"], kept["lines"]) == (order["total"], order["lines"])
    assert [paid.get("last4") for paid in kept["payments"]] == [None]

    # The partner was told, by a signed request that names the shipment and nobody.
    purged = eventually(lambda: carrier.purges(shipment), within=20, what="purge request")
    assert purged[0]["delivery"] == said["partners"][0]["delivery"]

    def attested() -> Any:
        told = signed(visitor, finished(visitor, asked)()["receipt"])["partners"]
        return told if all(each["attested_at"] for each in told) else None

    [partner] = eventually(attested, within=20, what="attestation of the purge")
    assert partner["delivery"] == purged[0]["delivery"]
    assert partner["told_at"] <= partner["attested_at"]
    officer = staff.grant("privacy", "deletion_oversight")
    every = officer.get("/v1/purge-requests?state=all")["items"]
    assert purged[0]["id"] in {each["id"] for each in every}
    still = officer.get("/v1/purge-requests?state=open")["items"]
    assert purged[0]["id"] not in {each["id"] for each in still}
    assert staff.grant("support", "case_management").ask("GET", "/v1/purge-requests").status == 403


def test_within_the_grace_it_is_undone_and_nothing_has_happened(customer: Customer) -> None:
    asked = customer.who.post("/v1/my/deletion", {})
    twice = customer.who.post("/v1/my/deletion", {})
    undone = customer.who.ask("DELETE", "/v1/my/deletion")

    assert asked["state"] == "waiting"
    assert (twice["id"], twice["receipt_key"]) == (asked["id"], None)
    assert undone.json["state"] == "undone"
    assert customer.who.get("/v1/profile")["name"] == customer.name
    assert customer.who.ask("GET", "/v1/my/deletion").status == 404
    assert customer.who.ask("DELETE", "/v1/my/deletion").status == 404


def test_an_order_under_way_holds_it_up_or_is_left_behind_until_it_has_ended(
    stack: Stack, town: Town, visitor: Someone, make_product: MakeProduct
) -> None:
    customer = town.customer()
    order = town.order(customer, make_product())

    refused = customer.who.ask("POST", "/v1/my/deletion", {"when": "at_once"})
    asked = town.delete_at_once(customer, orders_in_progress="leave")
    done = eventually(finished(visitor, asked), within=60, what="end of the deletion")

    assert refused.code == "orders_in_progress"
    live = "SELECT DISTINCT scope FROM data_keys WHERE subject = $1 AND destroyed_at IS NULL"
    scopes = {row[0] for row in ask(stack, "privity_keys", live, customer.id)}
    # The order can still be delivered, and the log still says whose it is.
    assert scopes == {f"order/{order['id']}", f"account/{customer.id}"}
    assert done["receipt"]


def test_nobody_asks_for_somebody_else_without_the_purpose_and_two_people_for_many(
    town: Town, staff: Staff, customer: Customer, visitor: Someone
) -> None:
    others = [town.customer(with_address=False).id for _ in range(2)]
    support = staff.grant("support", "case_management")
    assert support.ask("POST", "/v1/deletions", {"subjects": others}).status == 403
    assert customer.who.ask("POST", "/v1/deletions", {"subjects": others}).status == 403
    assert visitor.ask("POST", "/v1/my/deletion", {}).status == 401

    officer = staff.grant("privacy", "deletion_oversight")
    first, second = officer.post("/v1/deletions", {"subjects": others})["items"]
    own = officer.ask("POST", f"/v1/deletions/{second['id']}/approval")
    owner = staff.grant("owner", "deletion_oversight")
    other = owner.ask("POST", f"/v1/deletions/{second['id']}/approval")
    declined = [owner.ask("DELETE", f"/v1/deletions/{d['id']}").json for d in (first, second)]

    assert (first["state"], second["state"]) == ("waiting", "proposed")
    assert own.code == "second_person_needed"
    assert other.json["state"] == "waiting"
    assert {each["state"] for each in declined} == {"declined"}


def test_what_a_legal_hold_covers_stays_until_it_is_released(
    stack: Stack, town: Town, staff: Staff, visitor: Someone
) -> None:
    customer = town.customer()
    officer = staff.grant("privacy", "deletion_oversight")
    hold = officer.post("/v1/legal-holds", {"subject": customer.id, "reason": "litigation"})
    held = customer.who.get("/v1/my/holdings")["items"]

    asked = town.delete_at_once(customer)
    done = eventually(finished(visitor, asked), within=60, what="end of the deletion")

    assert {field["why"] for field in held} == {"legal hold: litigation"}
    said = signed(visitor, done["receipt"])
    assert said["gone"] == []
    assert {part["why"] for part in said["kept"]} == {"legal hold: litigation"}
    live = "SELECT count(*) FROM data_keys WHERE subject = $1 AND destroyed_at IS NULL"
    assert ask(stack, "privity_keys", live, customer.id)[0][0] >= 2
    assert officer.ask("DELETE", f"/v1/legal-holds/{hold['id']}").json["released_at"] is not None


def test_what_would_go_tonight_is_said_to_who_oversees_it_and_nothing_is_late(
    stack: Stack, customer: Customer, staff: Staff, visitor: Someone
) -> None:
    officer = staff.grant("privacy", "deletion_oversight")
    figures = f"http://127.0.0.1:{stack.running.ports['privacy-gateway.metrics']}/metrics"

    now = officer.get("/v1/retention/due")
    in_years = officer.get("/v1/retention/due?days=365")["items"]

    assert now["overdue"] == 0
    told = Someone(figures).ask("GET", "").body.decode().splitlines()
    assert {"privity_retention_overdue 0.0", "privity_purges_overdue 0.0"} <= set(told)
    assert {item["class"] for item in in_years} >= {"identity", "delivery"}
    assert all(item["why"] and item["ground"] and item["due_at"] for item in in_years)
    assert officer.get("/v1/retention/sweeps")["next_cursor"] is None
    support = staff.grant("support", "case_management")
    for path in ("/v1/retention/due", "/v1/retention/sweeps"):
        assert support.ask("GET", path).status == 403
        assert customer.who.ask("GET", path).status == 403
        assert visitor.ask("GET", path).status == 401

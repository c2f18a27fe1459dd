"""What opens somebody's data ends: at once at the gateway that is told, moments later at the other.

Consent, case, role, person and grant, each with two gateways running. Behind the second one are
services that ask nobody whose data it is, so what stops a read there is the gateway alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from privity_deploy.client import eventually

from .people import Answer, Customer, Someone, Staff, Town
from .second_gateway import SecondGateway

# Within so many seconds every process knows of it, also when its notification was lost.
SECONDS = 2.5
MARKETING = "/v1/consents/marketing"
Figures = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Reading:
    """Somebody who reads the same at both gateways."""

    here: Someone
    there: Someone
    path: str

    @classmethod
    def of(cls, who: Someone, elsewhere: SecondGateway, path: str) -> Reading:
        reading = cls(who, who.elsewhere(elsewhere.url), path)
        assert [one.ask("GET", path).status for one in (reading.here, reading.there)] == [200, 200]
        return reading

    def ends(self, what: str, record: Figures, *, status: int = 401) -> None:
        """The next read here, and within moments there; and it stays so."""
        began = time.monotonic()
        at_once = self.here.ask("GET", self.path)

        def refused() -> bool:
            return self.there.ask("GET", self.path).status == status

        eventually(refused, within=SECONDS, what=f"end of a read elsewhere: {what}")
        took = time.monotonic() - began
        for one in (self.here, self.there):
            again = one.ask("GET", self.path)
            assert again.status == status, again.body
            assert not again.json.keys() - PROBLEM
        assert at_once.status == status, f"{what}: {at_once.status} {at_once.body!r}"
        record(f"{what}: the next read is refused; at another gateway after {took:.2f} s")


PROBLEM = {"type", "title", "status", "code", "detail", "instance", "errors"}


@pytest.fixture
def order(town: Town, customer: Customer, product: str) -> dict[str, Any]:
    return town.order(customer, product)


@pytest.fixture
def at_work(
    town: Town,
    staff: Staff,
    customer: Customer,
    order: dict[str, Any],
    another_gateway: SecondGateway,
) -> tuple[str, Reading]:
    """Support, reading where an order goes for a case about it."""
    case_id = town.case(customer, order["id"])
    staff.take_case("support", case_id)
    grant = staff.grant("support", "enquiries", f"case/{case_id}")
    return case_id, Reading.of(grant, another_gateway, f"/v1/orders/{order['id']}/delivery")


def test_a_closed_case_stops_the_next_read(
    at_work: tuple[str, Reading], staff: Staff, record_figures: Figures
) -> None:
    case_id, reading = at_work

    reading.here.post(f"/v1/cases/{case_id}/closure", {"outcome": "resolved"})

    reading.ends("a closed case", record_figures)
    again = staff.ask_for("support", "enquiries", f"case/{case_id}")
    assert (again.status, again.json["error_description"]) == (400, "work_not_open")


def test_a_case_that_its_customer_withdraws_stops_the_next_read(
    at_work: tuple[str, Reading], customer: Customer, record_figures: Figures
) -> None:
    case_id, reading = at_work

    customer.who.post(f"/v1/cases/{case_id}/closure", {"outcome": "withdrawn"})

    reading.ends("a case withdrawn by its customer", record_figures)


def test_a_reassigned_case_stops_the_next_read_and_the_next_one_reads(
    at_work: tuple[str, Reading], staff: Staff, record_figures: Figures
) -> None:
    case_id, reading = at_work
    senior = staff.identity("senior")["staff_id"]

    reading.here.post(f"/v1/cases/{case_id}/handover", {"assignee": senior, "reason": "expertise"})

    reading.ends("a reassigned case", record_figures)
    again = staff.ask_for("support", "enquiries", f"case/{case_id}")
    assert (again.status, again.json["error_description"]) == (400, "work_not_yours")
    next_one = staff.grant("senior", "enquiries", f"case/{case_id}")
    assert next_one.ask("GET", reading.path).status == 200


@dataclass(frozen=True, slots=True)
class Colleague:
    """One of the staff with something to read, whose standing changes."""

    username: str
    purpose: str
    id: str
    reading: Reading

    def ask_again(self, staff: Staff) -> Answer:
        return staff.ask_for(self.username, self.purpose, "site/north")


@pytest.fixture
def colleague(
    staff: Staff, order: dict[str, Any], another_gateway: SecondGateway
) -> Iterator[Colleague]:
    grant = staff.grant("dispatch", "delivery", "site/north")
    reading = Reading.of(grant, another_gateway, f"/v1/orders/{order['id']}/delivery")
    staff_id = staff.identity("dispatch")["staff_id"]
    yield Colleague("dispatch", "delivery", staff_id, reading)
    owner = staff.grant("owner", "staff_administration")
    owner.ask("DELETE", f"/v1/staff/{staff_id}/deactivation")
    owner.put(f"/v1/staff/{staff_id}/roles", {"roles": ["dispatch"]})
    staff.forget("dispatch")


def test_a_removed_role_stops_the_next_read(
    colleague: Colleague, staff: Staff, record_figures: Figures
) -> None:
    owner = staff.grant("owner", "staff_administration")

    owner.put(f"/v1/staff/{colleague.id}/roles", {"roles": []})

    colleague.reading.ends("a removed role", record_figures)
    assert colleague.ask_again(staff).status == 400


def test_somebody_who_was_deactivated_reads_nothing_more(
    colleague: Colleague, staff: Staff, record_figures: Figures
) -> None:
    owner = staff.grant("owner", "staff_administration")

    owner.post(f"/v1/staff/{colleague.id}/deactivation", {"reason": "left"})

    colleague.reading.ends("a member of staff who left", record_figures)
    assert colleague.ask_again(staff).status == 400
    signing_in = {"username": "dispatch", "password": staff.shop.password("dispatch")}
    assert Someone(staff.shop.url).ask("POST", "/v1/staff/sign-in", signing_in).status == 401


def test_a_revoked_grant_stops_the_next_read(
    at_work: tuple[str, Reading], record_figures: Figures
) -> None:
    _, reading = at_work
    token = reading.here.headers["Authorization"].removeprefix("Bearer ")

    Someone(reading.here.url).ask(
        "POST",
        "/v1/token/revocation",
        content=f"token={token}".encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )

    reading.ends("a revoked grant", record_figures)


def newsletter(who: Someone) -> Answer:
    """The last pages of it: whoever agreed in this test comes last."""
    path = "/v1/newsletter/readers?limit=50"
    answer = who.ask("GET", path)
    while answer.status == 200 and answer.json["next_cursor"] is not None:
        answer = who.ask("GET", f"{path}&cursor={answer.json['next_cursor']}")
    return answer


def test_a_withdrawn_consent_stops_the_next_read(
    town: Town,
    staff: Staff,
    customer: Customer,
    another_gateway: SecondGateway,
    record_figures: Figures,
) -> None:
    version = customer.who.get("/v1/policy")["version"]
    here = staff.grant("owner", "newsletter", "shop")
    there = here.elsewhere(another_gateway.url)
    before = [newsletter(one).json["items"] for one in (here, there)]

    customer.who.put(MARKETING, {"given": True, "policy_version": version})
    agreed = [newsletter(one).json["items"] for one in (here, there)]
    customer.who.put(MARKETING, {"given": False})
    began = time.monotonic()
    withdrawn = [newsletter(one) for one in (here, there)]
    took = time.monotonic() - began

    about = {"id": customer.id, "name": customer.name, "email": customer.email}
    for items, then in zip(agreed, before, strict=True):
        assert about in items
        assert about not in then
    for answer in withdrawn:
        assert answer.status == 200
        for value in (customer.id, customer.name, customer.email):
            assert value.encode() not in answer.body
    # The service behind the second one gives everybody who ever agreed; the gateway asks again.
    reasons = [each["reason"] for each in withdrawn[1].json["privacy"]["withheld"]]
    assert reasons == ["consent_missing"]
    auditor = staff.grant("auditor", "audit_review")
    asked = {"kind": "refusal", "purpose": "newsletter", "reveal": [], "limit": 50}
    noes = auditor.post("/v1/audit/searches", asked)["records"]
    assert withdrawn[1].headers["request-id"] in {record["request"] for record in noes}
    record_figures(f"a withdrawn consent: the next read is refused at both gateways, {took:.2f} s")

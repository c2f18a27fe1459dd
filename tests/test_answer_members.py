"""No answer has a member that it may not have: on every route, for every role, from the real shop.

Driven from what the gateway publishes, so that a new route is asked like the others. Lists and
their pages, searches, refusals of every sort, webhooks and letters are answers too.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from privity_deploy.seed import Shop

from . import doors
from .answer_members import allowed, too_much, written, wrong_in_refusal
from .conftest import Household, MakeProduct
from .doors import Door, Request, Services
from .people import Answer, Carrier, Someone, Staff, Town, search_for
from .second_gateway import SecondGateway

Figures = Callable[[str], None]
# Their callers are not themselves any more afterwards.
ENDING = ("/closure", "/handover", "/cancellation", "/sessions/current")
LAST = ("/v1/sessions", "/v1/password", "/v1/email", "/v1/profile")


@pytest.fixture(scope="module")
def asked(shop: Shop) -> list[Door]:
    found = doors.doors(Someone(shop.url).get("/openapi.json"))
    return sorted(found, key=lambda door: (door.path.startswith(LAST), not door.reads))


@pytest.fixture(scope="module")
def services(shop: Shop) -> Services:
    return Services.of(shop.url, shop.secrets_dir)


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks what, and what was answered."""

    door: Door
    request: Request
    answer: Answer

    def wrong(self) -> list[str]:
        if not self.answer.body:
            return []
        if self.answer.status >= 400:
            return wrong_in_refusal(self.answer.json)
        role, purpose = self.request.role, self.request.purpose
        return too_much(self.answer.json, self.door.gives or {}, role, purpose)


def ask(door: Door, request: Request, **instead: Any) -> Asking:
    sent: dict[str, Any] = {"body": request.body, "headers": request.headers} | instead
    return Asking(door, request, request.who.ask(request.method, request.path, **sent))


def together(asking: Sequence[Callable[[], Asking]]) -> list[Asking]:
    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(lambda each: each(), asking))


def complaints(tried: Sequence[Asking]) -> dict[str, list[str]]:
    return {each.request.name: each.wrong() for each in tried if each.wrong()}


def test_every_answer_to_every_role_has_allowed_members_alone(
    household: Household,
    asked: list[Door],
    staff: Staff,
    services: Services,
    record_figures: Figures,
) -> None:
    customer, ids = household
    reading = [door for door in asked if door.reads]
    tried = together(
        [
            lambda door=door, request=request: ask(door, request)  # type: ignore[misc]
            for door in reading
            for request in doors.requests(door, customer, ids, staff, services)
        ]
    )
    pages = [page for each in tried for page in paged(each)]
    given = [each for each in [*tried, *pages] if each.answer.status < 400]

    assert complaints([*tried, *pages]) == {}
    # Nothing is vacuous: each door was opened by somebody.
    assert {door.name for door in reading} == {each.door.name for each in given}
    assert pages
    roles = {each.request.role for each in given}
    # An auditor reads at doors of the gateway's own; who is on call, in an emergency: below.
    works = {role for role, said in written()["roles"].items() if said["kind"] == "staff"}
    assert roles >= works - {"auditor", "engineer_on_call"}
    record_figures(
        f"members: {len(reading)} reading routes, {len(given)} answers to {len(roles)} roles,"
        f" {len(pages)} of them pages, {len(tried) + len(pages) - len(given)} refusals"
    )


@pytest.mark.parametrize("username", ["engineer", "privacy"])
def test_in_an_emergency_too(
    household: Household, asked: list[Door], staff: Staff, username: str
) -> None:
    customer, ids = household
    [role] = [role for role, name in doors.usernames().items() if name == username]
    who = staff.in_an_emergency(username)
    opened = 0
    for door in asked:
        if door.method == "GET" and "break_glass" in door.purposes:
            path = door.path.format_map(ids)
            request = Request(door.name, who, "GET", path, role=role, purpose="break_glass")
            tried = ask(door, request)
            assert tried.wrong() == [], door.name
            opened += tried.answer.status == 200

    assert opened >= 1
    assert customer.address["line1"] not in str(who.seen)


def paged(each: Asking) -> Iterator[Asking]:
    """The first pages of one entry each."""
    if "cursor" not in each.door.queries or each.answer.status >= 400:
        return
    cursor: str | None = ""
    for _ in range(3):
        query = f"?limit=1{cursor}"
        page = ask(each.door, replace(each.request, path=each.request.path + query))
        yield page
        following = page.answer.json.get("next_cursor")
        if following is None:
            return
        cursor = f"&cursor={following}"


def test_every_change_answers_with_allowed_members_alone(
    town: Town,
    asked: list[Door],
    staff: Staff,
    services: Services,
    make_product: MakeProduct,
    household: Household,
    record_figures: Figures,
) -> None:
    customer = town.customer()
    order = town.order(customer, make_product())
    ids = town.ids_of(customer, order)
    ids["case_id"] = ids["enquiry of support"] = town.case(customer, order["id"])
    staff.take_case("support", ids["case_id"])
    changing = [door for door in asked if not door.reads]
    # Grants first: some of these changes end the work that others hang on.
    requests = [
        (door, request)
        for door in sorted(changing, key=lambda door: door.path.endswith(ENDING))
        for request in doors.requests(door, customer, ids, staff, services)
    ]
    tried = [ask(door, request) for door, request in requests]
    # Others here send parcels, too.
    route = {"recipient_id": household[1]["recipient_id"]}
    staff.grant("owner", "partner_management").put("/v1/carrier-routes/DE", route)

    assert complaints(tried) == {}
    done = {each.door.name for each in tried if each.answer.status < 400}
    assert len(done) >= 12
    record_figures(f"members: {len(tried)} changes asked for, {len(done)} routes made theirs")


def test_refusals_have_their_members_and_say_nothing_that_was_sent(
    household: Household,
    asked: list[Door],
    staff: Staff,
    services: Services,
    record_figures: Figures,
) -> None:
    customer, ids = household
    nothing = ids | {n: f"{value[:3]}_{'0' * 26}" for n, value in ids.items() if n.endswith("_id")}
    private = {**customer.private, "line": customer.address["line1"]}
    tried: list[Asking] = []
    for door in asked:
        requests = list(doors.requests(door, customer, ids, staff, services))
        strangers = list(strange(door, requests[0], staff, ids))
        broken = [ask(door, requests[0], **instead) for instead in broken_bodies(requests[0])]
        tried += [*strangers, *broken]
        if "_id}" in door.path:
            unknown = door.path.format_map(nothing)
            tried.append(ask(door, replace(requests[0], path=unknown, body=None)))
    refused = [each for each in tried if each.answer.status >= 400]

    assert complaints(tried) == {}
    for each in refused:
        assert list(search_for(private).text(each.answer.body)) == [], each.request.name
    codes = Counter(each.answer.status for each in refused)
    assert {400, 401, 403, 404, 422} <= set(codes)
    record_figures(f"members: {len(refused)} refusals, by status {dict(sorted(codes.items()))}")


def strange(door: Door, like: Request, staff: Staff, ids: dict[str, str]) -> Iterator[Asking]:
    """The same, asked by everybody whose purpose does not open this door."""
    for role, username in doors.usernames().items():
        for purpose, holder in doors.policy().rows():
            if holder != role or doors.policy().serves(door.purposes, purpose):
                continue
            work = doors.work_for(purpose, username, ids, listing=False)
            if work is not None:
                who = staff.young_grant(username, purpose, work)
                name = f"{door.name} ({role} for {purpose}, who may not)"
                yield ask(door, replace(like, name=name, who=who, role=role, purpose=purpose))
                break
    yield ask(door, replace(like, name=f"{door.name} (nobody)", who=Someone(like.who.url)))


def broken_bodies(request: Request) -> Iterator[dict[str, Any]]:
    if request.body is None:
        return
    for name in request.body:
        yield {"body": {**request.body, name: {"Quirl": [request.body[name]]}}}
    yield {"body": {**request.body, "undeclared": "Zwetschgenmus"}}
    for content in (b"", b"{", b'{"a": NaN}', b'"Quirl"', b'{"a":1,"a":2}', b"\xff"):
        yield {"body": None, "content": content}


def test_a_service_that_says_too_much_is_not_repeated(
    household: Household,
    asked: list[Door],
    staff: Staff,
    services: Services,
    another_gateway: SecondGateway,
    record_figures: Figures,
) -> None:
    """The planted fault: every object of every answer has members that no contract knows."""
    customer, ids = household
    kinds = {
        (door.name, doors.policy().kind_of(request.role)): (door, request)
        for door in asked
        if door.reads
        for request in doors.requests(door, customer, ids, staff, services)
    }
    requests = [
        (door, replace(request, who=request.who.elsewhere(another_gateway.url)))
        for door, request in kinds.values()
    ]
    with another_gateway.wrong(adds={"gossip": "Zwetschgenmus", "name": {"Quirl": "e"}}):
        tried = together(
            [lambda d=door, r=request: ask(d, r) for door, request in requests]  # type: ignore[misc]
        )

    assert complaints(tried) == {}
    assert [each.request.name for each in tried if b"Zwetschgenmus" in each.answer.body] == []
    given = sum(each.answer.status < 400 for each in tried)
    assert given > 30
    record_figures(f"members: {given} answers of services that say too much, none repeated")


def test_what_the_check_would_notice(household: Household, asked: list[Door]) -> None:
    """Planted in an answer: a member too many, one that is withheld, and another type."""
    customer, ids = household
    [door] = [door for door in asked if door.name == "GET /v1/orders/{order_id}/delivery"]
    gives = door.gives or {}
    answer = customer.who.get(door.path.format_map(ids))
    added = {**answer, "gossip": 1}
    deep = copy.deepcopy(answer)
    deep["privacy"]["plaintext"] = answer["recipient"]

    assert too_much(answer, gives, "customer", "self_service") == []
    assert too_much(added, gives, "customer", "self_service") == ["gossip is not described"]
    assert too_much(deep, gives, "customer", "self_service") != []
    assert "line1 is user.contact.address.street" in too_much(
        answer, gives, "warehouse", "warehousing"
    )
    assert "line1 is no string" in too_much(
        {**answer, "line1": 1}, gives, "customer", "self_service"
    )
    assert wrong_in_refusal({"type": "", "code": "", "input": "Quirl"}) == ["input"]


def test_the_view_of_a_case_has_allowed_members_alone(
    shop: Shop, household: Household, staff: Staff
) -> None:
    _, ids = household
    path = "/v1/cases/{case_id}/view"
    said = Someone(shop.url).get("/openapi.json")["paths"][path]["get"]
    gives = said["responses"]["2XX"]["content"]["application/json"]["schema"]
    seen = set()
    for purpose, role in doors.policy().rows():
        if doors.policy().kind_of(role) != "staff" or role not in doors.usernames():
            continue
        username = doors.usernames()[role]
        case_id = doors.case_for(purpose, username, ids)
        if case_id is None or "case" not in doors.policy().file.purposes[purpose].work:
            continue
        who = staff.young_grant(username, purpose, f"case/{case_id}")
        answer = who.ask("GET", path.format(case_id=case_id))
        if answer.status == 200:
            assert too_much(answer.json, gives, role, purpose) == [], (role, purpose)
            seen.add((role, purpose))
        else:
            assert wrong_in_refusal(answer.json) == []

    assert {("support_1", "enquiries"), ("data_protection_officer", "rights_requests")} <= seen


def test_a_webhook_and_a_letter_hold_what_their_recipient_may_have(
    shop: Shop, household: Household, carrier: Carrier, record_figures: Figures
) -> None:
    customer, ids = household
    schema = Someone(shop.url).get("/v1/schemas/delivery-request.v1")
    private = {**customer.private, "e-mail": customer.email}

    deliveries = carrier.received()[ids["shipment_id"]]
    letters = httpx.get(f"{shop.mail_url}/messages", params={"to": customer.email}).json()

    assert deliveries
    for delivery in deliveries:
        sent = delivery["payload"]
        assert list(undescribed(sent, schema)) == []
        assert list(undescribed({**sent, "email": customer.email}, schema)) == ["email"]
        assert customer.email not in str(sent)
    may_have = set(written()["recipients"]["delivery"]["allow"])
    assert not may_have & {"user.payment", "user.contact.email", "user.behavior.purchase_history"}
    assert letters["messages"]
    for letter in letters["messages"]:
        assert letter["to"] == [customer.email]
        for label, value in private.items():
            assert label == "e-mail" or value not in str(letter), label
    assert set(written()["recipients"]["mail"]["allow"]) == {
        "user.contact.email",
        "user.authorization.code",
    }
    record_figures(f"members: {len(deliveries)} webhooks, {len(letters['messages'])} letters")


def undescribed(value: Any, schema: Any, path: str = "") -> Iterator[str]:
    if not isinstance(value, dict):
        return
    for name, member in value.items():
        where = f"{path}.{name}".lstrip(".")
        if name not in schema.get("properties", {}):
            yield where
        else:
            yield from undescribed(member, schema["properties"][name], where)


def test_nothing_is_allowed_for_what_is_forbidden() -> None:
    for role in written()["roles"]:
        for purpose in ("marketing", "sale", "curiosity"):
            if purpose in written()["purposes"]:
                assert allowed(role, purpose) == frozenset()


def test_the_gateways_own_answers_hold_nothing_of_a_customer(
    shop: Shop, household: Household, staff: Staff, record_figures: Figures
) -> None:
    """Asked by everybody for every purpose of theirs; the view of a case has its own test."""
    customer, ids = household
    published = Someone(shop.url).get("/openapi.json")["paths"]
    own = [
        path
        for path, operations in published.items()
        if doors.OWN in operations.get("get", {}).get("tags", ()) and not path.endswith("/view")
    ]
    known = {"version": doors.policy().version, "name": "delivery-request.v1"}
    theirs = {**known, "staff_id": staff.identity("support")["staff_id"]}
    everyone = [Someone(shop.url), *everybody(staff, ids)]
    answered = 0
    for path in own:
        where = path.format_map(_Otherwise(theirs))
        for who in everyone:
            answer = who.ask("GET", where)
            answered += answer.status < 400
            if answer.status >= 400:
                assert wrong_in_refusal(answer.json) == [], where
            for label, value in customer.private.items():
                assert value.encode() not in answer.body, (where, label)

    assert len(own) >= 15
    record_figures(f"members: {len(own)} of the gateway's own, {answered} answers without a value")


def everybody(staff: Staff, ids: dict[str, str]) -> Iterator[Someone]:
    for purpose, role in doors.policy().rows():
        username = doors.usernames().get(role)
        if username is not None:
            work = doors.work_for(purpose, username, ids, listing=False)
            if work is not None:
                yield staff.young_grant(username, purpose, work)


class _Otherwise(dict[str, str]):
    """An id of nothing, where no other is known."""

    def __missing__(self, name: str) -> str:
        return f"{name[:3]}_{'0' * 26}"


def test_each_purpose_of_the_file_is_asked_for_by_somebody(household: Household) -> None:
    """So that a purpose that is added is covered, or is named here."""
    _, ids = household
    unasked = set()
    for purpose, role in doors.policy().rows():
        username = doors.usernames().get(role)
        if username is not None and doors.work_for(purpose, username, ids, listing=False) is None:
            unasked.add(purpose)

    assert unasked <= {"break_glass"}, unasked

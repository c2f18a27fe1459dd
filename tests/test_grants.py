"""Every grant that the policy knows, at every door to orders and shipments, and those it does not.

What the policy lists is answered; everything else is refused, and every refusal is on record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from privity_deploy.seed import Shop

from . import doors
from .conftest import Household
from .doors import Door
from .people import Answer, Someone, Staff

WHERE = ("/v1/orders", "/v1/shipments")


@dataclass(frozen=True, slots=True)
class Grant:
    username: str
    role: str
    purpose: str
    work: str


@pytest.fixture(scope="module")
def asked(shop: Shop) -> list[Door]:
    """Every way to read orders and shipments."""
    published = doors.doors(Someone(shop.url).get("/openapi.json"))
    return [d for d in published if d.method == "GET" and d.path.startswith(WHERE)]


def grants(ids: dict[str, str]) -> Iterator[Grant]:
    """What the policy allows a member of staff, once for an order and once for a list."""
    for purpose, role in doors.policy().rows():
        if doors.policy().kind_of(role) != "staff":
            continue
        username = doors.usernames()[role]
        for listing in (False, True):
            work = doors.work_for(purpose, username, ids, listing=listing)
            if work is not None:
                yield Grant(username, role, purpose, work)


def records_of(auditor: Someone, **wanted: Any) -> dict[str, dict[str, Any]]:
    """By the request that made them."""
    found: dict[str, dict[str, Any]] = {}
    search: dict[str, Any] = {**wanted, "reveal": [], "limit": 200}
    while True:
        page = auditor.post("/v1/audit/searches", search)
        found |= {record["request"]: record for record in page["records"] if "request" in record}
        if page["next_cursor"] is None:
            return found
        search["cursor"] = page["next_cursor"]


def test_each_grant_opens_the_doors_of_its_purpose_and_no_other_and_every_no_is_on_record(
    household: Household,
    asked: list[Door],
    staff: Staff,
    record_figures: Callable[[str], None],
) -> None:
    _, ids = household
    everyone = list(dict.fromkeys(grants(ids)))
    tried: dict[tuple[Grant, str], Answer] = {}

    def try_all(grant: Grant) -> None:
        who = staff.young_grant(grant.username, grant.purpose, grant.work)
        for door in asked:
            case_id = doors.case_for(grant.purpose, grant.username, ids) or ids["case_id"]
            theirs = ids | {"case_id": case_id}
            tried[grant, door.name] = who.ask("GET", door.path.format_map(theirs))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(try_all, everyone))

    by_name = {door.name: door for door in asked}
    wrong, refused = {}, {}
    for (grant, name), answer in tried.items():
        serves = doors.policy().serves(by_name[name].purposes, grant.purpose)
        if not serves:
            refused[grant, name] = answer
        if (answer.status, answer.code) != (
            (200, None) if serves else (403, "purpose_not_allowed")
        ):
            wrong[grant, name] = (answer.status, answer.code)
    auditor = staff.grant("auditor", "audit_review")
    noes = {
        username: records_of(auditor, actor=staff.identity(username)["staff_id"], kind="refusal")
        for username in {grant.username for grant in everyone}
    }
    unrecorded = [
        (grant, name)
        for (grant, name), answer in refused.items()
        if noes[grant.username].get(answer.json["instance"], {}).get("reason") != answer.code
    ]

    assert wrong == {}
    assert unrecorded == []
    assert len(asked) >= 6
    record_figures(
        f"grants: {len(everyone)} at {len(asked)} doors, {len(tried) - len(refused)} answered,"
        f" {len(refused)} refused and on record"
    )


def test_what_the_policy_does_not_list_is_granted_to_nobody_and_every_no_is_on_record(
    household: Household, staff: Staff, record_figures: Callable[[str], None]
) -> None:
    _, ids = household
    policy = doors.policy()
    roles = {username: role for role, username in doors.usernames().items()}
    unlisted = [
        (username, purpose)
        for username, role in roles.items()
        for purpose in [*policy.file.purposes, "curiosity"]
        # Emergencies are asked for in another form, and without work.
        if purpose != "break_glass" and not policy.may(role, purpose)
    ]

    def ask(pair: tuple[str, str]) -> Answer:
        return staff.ask_for(*pair, f"order/{ids['order_id']}")

    with ThreadPoolExecutor(4) as threads:
        answers = dict(zip(unlisted, threads.map(ask, unlisted), strict=True))

    assert {(a.status, a.json["error"]) for a in answers.values()} == {(400, "access_denied")}
    assert {"marketing", "sale"} <= {purpose for _, purpose in unlisted}
    auditor = staff.grant("auditor", "audit_review")
    unrecorded = []
    for username in roles:
        noes = records_of(auditor, actor=staff.identity(username)["staff_id"], kind="refusal")
        unrecorded += [
            (name, purpose)
            for (name, purpose), answer in answers.items()
            if name == username and answer.headers["request-id"] not in noes
        ]
    assert unrecorded == []
    record_figures(f"grants: {len(unlisted)} that no policy lists, all refused and on record")

"""Who saw what, for those who review it. Asking is recorded before anything is read."""

from typing import Annotated, Any

from fastapi import APIRouter, Request

from privacy_gateway.api.audit_forms import RecordId, Search, Tagged
from privacy_gateway.api.reading import (
    caller,
    log_of,
    now,
    placed,
    policy_of,
    privacy,
    reading,
    records_of,
    reviewer,
)
from privacy_gateway.api.strict_body import body_of
from privacy_gateway.domain.audit import archived, people
from privacy_gateway.domain.audit.access import Access
from privacy_gateway.domain.audit.openings import CATEGORY
from privacy_gateway.domain.passage.contracts import ContractsInForce
from privacy_gateway.domain.policy import Action, replay
from privacy_gateway.domain.policy.in_force import PolicyInForce

router = APIRouter(prefix="/v1/audit")


@router.post("/searches")
async def search(request: Request, asked: Annotated[Search, body_of(Search)]) -> dict[str, Any]:
    who = await reviewer(request)
    filters = await placed(request, asked.filters)
    asking = reading(request, who, subject=filters.subject, resource=filters.actor)
    [receipt] = await log_of(request).record([asking])

    page = await records_of(request).search(
        filters, now=now(), limit=asked.limit, cursor=asked.cursor
    )
    return {
        "records": page.leaves,
        "people": await named(request, page.leaves, asked.reveal, asking),
        "altered": page.altered,
        "archived": await archived.months(records_of(request), filters),
        "next_cursor": page.next_cursor,
        "privacy": privacy(asking, receipt.record_id),
    }


@router.get("/records/{record_id}")
async def one_record(request: Request, record_id: RecordId) -> dict[str, Any]:
    leaf, agrees, asking, receipt = await _one(request, record_id)
    return {
        "record": leaf,
        "people": await named(request, [leaf], ["actor"], asking),
        "altered": not agrees,
        "privacy": privacy(asking, receipt),
    }


@router.get("/records/{record_id}/explanation")
async def explanation(request: Request, record_id: RecordId) -> dict[str, Any]:
    """The record decided again, by the version of the policy that decided then."""
    leaf, agrees, asking, receipt = await _one(request, record_id)
    return {
        "id": record_id,
        "altered": not agrees,
        **_explained(request, leaf),
        "privacy": privacy(asking, receipt),
    }


async def _one(request: Request, record_id: str) -> tuple[dict[str, Any], bool, Access, str]:
    """The leaf, whether its columns agree with it, who asked, and the record of that."""
    who = await reviewer(request)
    asking = reading(request, who, subject=None, resource=record_id)
    [receipt] = await log_of(request).record([asking])
    found = await records_of(request).get(record_id)
    if found is None:
        raise await archived.missing(records_of(request), record_id)
    return *found, asking, receipt.record_id


def _explained(request: Request, leaf: dict[str, Any]) -> dict[str, Any]:
    policies: PolicyInForce = request.app.state.policies
    contracts: ContractsInForce = request.app.state.contracts
    try:
        policy = replay.decided_by(leaf, policies.versions)
    except replay.AnotherFile:
        return {"agrees": None, "policy": leaf["policy"], "reason": "policy_file_changed"}
    if policy is None:
        return {"agrees": None, "policy": leaf["policy"], "reason": "policy_version_unknown"}
    again = replay.replay(leaf, policy, offered=contracts.offered(leaf.get("route", "")))
    return {
        "agrees": again.agrees,
        "differs": again.differs,
        "policy": policy.version,
        "policy_hash": policy.hash,
        "purpose": policy.label(leaf["purpose"]),
        "clauses": {c: policy.file.notice.clauses.get(c, "") for c in leaf["clauses"]},
        "reason": leaf.get("reason"),
    }


async def named(
    request: Request, leaves: list[dict[str, Any]], members: list[Tagged], asking: Access
) -> dict[str, str | None]:
    table = policy_of(request).table(asking.role, asking.purpose)
    narrowed = caller(request).categories
    if table.get(CATEGORY) is not Action.REVEAL or (
        narrowed is not None and CATEGORY not in narrowed
    ):
        return {}
    return await people.reveal(
        leaves,
        members,
        reading=asking,
        records=records_of(request),
        log=log_of(request),
        vault=request.app.state.vault,
    )

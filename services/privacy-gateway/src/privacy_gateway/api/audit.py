"""Who saw what: for those who review it, and for the customer whose data it was.

Person ids come in bodies, never in addresses. Asking is recorded before anything is read.
"""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from privacy_gateway.api.strict_body import body_of
from privacy_gateway.domain.audit import feed, people
from privacy_gateway.domain.audit.access import Access, FieldAccess
from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.audit.openings import CATEGORY
from privacy_gateway.domain.audit.query import LARGEST_PAGE, Records
from privacy_gateway.domain.passage.contracts import ContractsInForce
from privacy_gateway.domain.policy import Action, Policy, replay
from privacy_gateway.domain.policy.in_force import PolicyInForce
from privacy_gateway.domain.tokens.caller import Caller
from privity_contracts import ids
from privity_rest import NotAllowed, NotFound, Unauthenticated

router = APIRouter()

REVIEW = "audit_review"
LISTED = (FieldAccess("records", "system.operations", "reveal"),)

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
CategoryName = Annotated[str, StringConstraints(pattern=r"^[a-z_]+(\.[a-z_]+)*$", max_length=128)]
Person = Annotated[str, StringConstraints(pattern=rf"^(cus|stf)_{ids.BODY}$")]
Actor = Annotated[
    str, StringConstraints(pattern=rf"^((cus|stf|rcp)_{ids.BODY}|svc_[a-z-]{{1,40}}|visitor)$")
]
RecordId = Annotated[str, StringConstraints(pattern=rf"^rec_{ids.BODY}$")]
Cursor = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,200}$")]
Tagged = Literal["subject", "actor", "resource", "work", "scope"]


class OnlyForReview(NotAllowed):
    code = "only_for_audit_review"


class Search(BaseModel):
    """`reveal` names the members whose tags are opened; each person so named is recorded."""

    model_config = ConfigDict(extra="forbid", strict=True)

    subject: Person | None = None
    actor: Actor | None = None
    purpose: Name | None = None
    category: CategoryName | None = None
    decision: Literal["allow", "refuse"] | None = None
    kind: Name | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    reveal: list[Tagged] = Field(default=["actor"], max_length=5)
    limit: int = Field(default=50, ge=1, le=LARGEST_PAGE)
    cursor: Cursor | None = None

    @property
    def filters(self) -> Filters:
        asked = self.model_dump(exclude={"reveal", "limit", "cursor"})
        return Filters(**asked)


@router.post("/v1/audit/searches")
async def search(request: Request, asked: Annotated[Search, body_of(Search)]) -> dict[str, Any]:
    who = await _reviewer(request)
    reading = _reading(request, who, subject=asked.subject, resource=asked.actor)
    [receipt] = await _log(request).record([reading])

    page = await _records(request).search(
        asked.filters, now=_now(), limit=asked.limit, cursor=asked.cursor
    )
    return {
        "records": page.leaves,
        "people": await _revealed(request, page.leaves, asked.reveal, reading),
        "altered": page.altered,
        "next_cursor": page.next_cursor,
        "privacy": _privacy(reading, receipt.record_id),
    }


@router.get("/v1/audit/records/{record_id}")
async def one_record(request: Request, record_id: RecordId) -> dict[str, Any]:
    who = await _reviewer(request)
    reading = _reading(request, who, subject=None, resource=record_id)
    [receipt] = await _log(request).record([reading])

    found = await _records(request).get(record_id)
    if found is None:
        raise NotFound(f"no record {record_id}")
    leaf, agrees = found
    return {
        "record": leaf,
        "people": await _revealed(request, [leaf], ["actor"], reading),
        "altered": not agrees,
        "privacy": _privacy(reading, receipt.record_id),
    }


@router.get("/v1/audit/records/{record_id}/explanation")
async def explanation(request: Request, record_id: RecordId) -> dict[str, Any]:
    """The record decided again, by the version of the policy that decided then."""
    who = await _reviewer(request)
    reading = _reading(request, who, subject=None, resource=record_id)
    [receipt] = await _log(request).record([reading])

    found = await _records(request).get(record_id)
    if found is None:
        raise NotFound(f"no record {record_id}")
    leaf, agrees = found
    return {
        "id": record_id,
        "altered": not agrees,
        **_explained(request, leaf),
        "privacy": _privacy(reading, receipt.record_id),
    }


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


@router.get("/v1/my/accesses")
async def my_accesses(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 100,
    cursor: Annotated[Cursor | None, Query()] = None,
) -> dict[str, Any]:
    """`limit` counts records; one's own are folded, so there may be fewer entries."""
    who = _caller(request)
    if who.kind != "customer" or who.subject is None:
        raise NotAllowed("for customers only")
    reading = _reading(request, who, subject=who.subject, resource=None)
    [receipt] = await _log(request).record([reading])

    page = await _records(request).search(
        Filters(subject=who.subject), now=_now(), limit=limit, cursor=cursor
    )
    return {
        "accesses": feed.told(page.leaves, _words(_policy(request))),
        "next_cursor": page.next_cursor,
        "privacy": _privacy(reading, receipt.record_id),
    }


async def _reviewer(request: Request) -> Caller:
    """Raises OnlyForReview, recorded, for anyone without a grant to review."""
    who = _caller(request)
    allowed = _policy(request).may(who.role, REVIEW)
    if who.kind == "staff" and who.purpose == REVIEW and allowed:
        return who
    await _log(request).record([_refusal(request, who)])
    raise OnlyForReview(f"a grant for {REVIEW} is needed")


def _caller(request: Request) -> Caller:
    who: Caller = request.scope["privity.caller"]
    if who.kind == "visitor":
        raise Unauthenticated("who is asking is not known")
    return who


async def _revealed(
    request: Request,
    leaves: list[dict[str, Any]],
    members: list[Tagged],
    reading: Access,
) -> dict[str, str | None]:
    table = _policy(request).table(reading.role, reading.purpose)
    narrowed = _caller(request).categories
    if table.get(CATEGORY) is not Action.REVEAL or (
        narrowed is not None and CATEGORY not in narrowed
    ):
        return {}
    return await people.reveal(
        leaves,
        members,
        reading=reading,
        records=_records(request),
        log=_log(request),
        vault=request.app.state.vault,
    )


def _reading(request: Request, who: Caller, *, subject: str | None, resource: str | None) -> Access:
    policy = _policy(request)
    return Access(
        kind="audit_read",
        subject=subject,
        actor=who.actor,
        actor_kind=who.kind,
        role=who.role,
        purpose=who.purpose,
        clauses=policy.clauses(who.purpose),
        policy=policy.version,
        policy_hash=policy.hash,
        work=who.work,
        service="privacy-gateway",
        resource=resource,
        scope=None if subject is None else f"account/{subject}",
        fields=LISTED,
        decision="allow",
        request_id=request.scope.get("privity.request_id"),
    )


def _refusal(request: Request, who: Caller) -> Access:
    asked = _reading(request, who, subject=who.subject, resource="audit")
    return replace(asked, kind="refusal", decision="refuse", fields=(), reason=OnlyForReview.code)


def _privacy(reading: Access, record_id: str) -> dict[str, Any]:
    return {
        "purpose": reading.purpose,
        "policy": reading.policy,
        "record": record_id,
        "withheld": [],
    }


def _words(policy: Policy) -> feed.Words:
    return feed.Words(
        categories={name: rule.label for name, rule in policy.file.categories.items()},
        purposes={name: purpose.label for name, purpose in policy.file.purposes.items()},
        roles={name: role.label for name, role in policy.file.roles.items()},
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _log(request: Request) -> AuditLog:
    log: AuditLog = request.app.state.audit
    return log


def _records(request: Request) -> Records:
    records: Records = request.app.state.records
    return records


def _policy(request: Request) -> Policy:
    policy: Policy = request.app.state.policies.current
    return policy

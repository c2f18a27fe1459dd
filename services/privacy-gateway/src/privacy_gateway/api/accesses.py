"""What a customer is told about accesses to their data, and what they can say to it."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from privacy_gateway.api.audit_forms import Cursor, RecordId
from privacy_gateway.api.reading import (
    LISTED,
    caller,
    log_of,
    now,
    policy_of,
    privacy,
    reading,
    records_of,
)
from privacy_gateway.api.strict_body import body_of
from privacy_gateway.domain.audit import feed, people
from privacy_gateway.domain.audit.access import Access, Receipt
from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.audit.query import LARGEST_PAGE
from privacy_gateway.domain.intake.normalise import BadValue, normalise
from privacy_gateway.domain.passage import objections
from privacy_gateway.domain.passage.objections import Objection
from privacy_gateway.domain.policy import Policy
from privity_rest import NotAllowed, NotFound, Unprocessable

router = APIRouter(prefix="/v1/my/accesses")


class ObjectionMade(BaseModel):
    """`message` is what the customer has to say to it, if anything."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    message: str = Field(default=objections.UNSAID, min_length=1, max_length=4000)


@router.get("")
async def my_accesses(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 100,
    cursor: Annotated[Cursor | None, Query()] = None,
) -> dict[str, Any]:
    """`limit` counts records; one's own are folded, so there may be fewer entries."""
    asking, receipt = await own_reading(request, resource=None)
    page = await records_of(request).search(
        Filters(subject=asking.subject), now=now(), limit=limit, cursor=cursor
    )
    named = await people.own(
        page.leaves,
        ["work"],
        receipt=receipt,
        records=records_of(request),
        vault=request.app.state.vault,
    )
    return {
        "accesses": feed.told(page.leaves, _words(policy_of(request)), named),
        "next_cursor": page.next_cursor,
        "privacy": privacy(asking, receipt.record_id),
    }


@router.post("/{record_id}/objection", status_code=201)
async def object_to_an_access(
    request: Request,
    record_id: RecordId,
    said: Annotated[ObjectionMade, body_of(ObjectionMade)],
) -> dict[str, Any]:
    """ "I do not recognise this": the same case for the same record, however often."""
    asking, receipt = await own_reading(request, resource=record_id)
    subject = asking.subject or ""
    await require_own(request, record_id, subject=subject)
    vault, policy = request.app.state.vault, policy_of(request)
    objection = Objection(subject, record_id, _text(policy, said.message))
    collecting = replace(
        asking,
        kind="collect",
        service="customers",
        scope=f"case/{objections.case_of(objection, vault)}",
        fields=objections.COLLECTED,
    )
    case = await objections.file(
        objection,
        collecting,
        policy=policy,
        vault=vault,
        audit=log_of(request),
        services=request.app.state.services,
    )
    return {
        "id": case.id,
        "due_at": case.due_at,
        "record": record_id,
        "privacy": privacy(asking, receipt.record_id),
    }


async def own_reading(request: Request, *, resource: str | None) -> tuple[Access, Receipt]:
    """Recorded before anything is read; it covers what the customer's own tags stand for."""
    who = caller(request)
    if who.kind != "customer" or who.subject is None:
        raise NotAllowed("for customers only")
    asking = reading(request, who, subject=who.subject, resource=resource)
    asking = replace(asking, fields=(*LISTED, *people.REVEALED))
    [receipt] = await log_of(request).record([asking])
    return asking, receipt


async def require_own(request: Request, record_id: str, *, subject: str) -> None:
    """Raises NotFound. Somebody else's record and none look the same."""
    found = await records_of(request).get(record_id)
    if found is not None:
        leaf = found[0]
        pairs = [(subject, subject)]
        tags = await request.app.state.vault.tags(leaf["at"][:7], pairs, minting=False)
        if leaf.get("subject") is not None and leaf["subject"] == tags[subject, subject]:
            return
    raise NotFound(f"no record {record_id} about you")


def _text(policy: Policy, message: str) -> str:
    try:
        return normalise(policy.category(objections.TEXT).validator or "", message)
    except BadValue as exc:
        raise Unprocessable(errors=[("/message", exc.code)]) from None


def _words(policy: Policy) -> feed.Words:
    return feed.Words(
        categories={name: rule.label for name, rule in policy.file.categories.items()},
        purposes={name: purpose.label for name, purpose in policy.file.purposes.items()},
        roles={name: role.label for name, role in policy.file.roles.items()},
    )

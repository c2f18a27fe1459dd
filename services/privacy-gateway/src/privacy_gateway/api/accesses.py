"""What a customer is told about accesses to their data."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from privacy_gateway.api.audit_forms import Cursor
from privacy_gateway.api.reading import (
    caller,
    log_of,
    now,
    policy_of,
    privacy,
    reading,
    records_of,
)
from privacy_gateway.domain.audit import feed
from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.audit.query import LARGEST_PAGE
from privacy_gateway.domain.policy import Policy
from privity_rest import NotAllowed

router = APIRouter(prefix="/v1/my/accesses")


@router.get("")
async def my_accesses(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 100,
    cursor: Annotated[Cursor | None, Query()] = None,
) -> dict[str, Any]:
    """`limit` counts records; one's own are folded, so there may be fewer entries."""
    who = caller(request)
    if who.kind != "customer" or who.subject is None:
        raise NotAllowed("for customers only")
    asking = reading(request, who, subject=who.subject, resource=None)
    [receipt] = await log_of(request).record([asking])

    page = await records_of(request).search(
        Filters(subject=who.subject), now=now(), limit=limit, cursor=cursor
    )
    return {
        "accesses": feed.told(page.leaves, _words(policy_of(request))),
        "next_cursor": page.next_cursor,
        "privacy": privacy(asking, receipt.record_id),
    }


def _words(policy: Policy) -> feed.Words:
    return feed.Words(
        categories={name: rule.label for name, rule in policy.file.categories.items()},
        purposes={name: purpose.label for name, purpose in policy.file.purposes.items()},
        roles={name: role.label for name, role in policy.file.roles.items()},
    )

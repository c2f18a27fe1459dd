"""Who stands at the gateway's doors to the audit store, and what they left in it."""

from datetime import UTC, datetime

from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.tokens.caller import VISITOR, Caller
from privity_contracts import ids


def staff(actor, *, role="auditor", purpose="audit_review", categories=None):
    return Caller(
        kind="staff",
        actor=actor,
        subject=None,
        role=role,
        purpose=purpose,
        work=None,
        session=None,
        token_id=None,
        expires_at=None,
        categories=categories,
    )


def customer_caller(subject):
    return Caller(
        kind="customer",
        actor=subject,
        subject=subject,
        role="customer",
        purpose="self_service",
        work=None,
        session=ids.mint("ses"),
        token_id=None,
        expires_at=None,
    )


class Arriving:
    """In the place of the reception: everyone is who the test says they are."""

    def __init__(self, app):
        self.app = app
        self.caller = VISITOR
        self.ended = None

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            caller = scope["privity.caller"] = self.caller
            scope["privity.authenticate"] = lambda now: self.ended or caller
            scope["privity.request_id"] = ids.mint("req")
        await self.app(scope, receive, send)


async def recorded(records, **asked):
    page = await records.search(Filters(**asked), now=datetime.now(UTC), limit=200)
    return page.leaves

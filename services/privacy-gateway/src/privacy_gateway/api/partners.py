"""Partners report how shipments stand: signed first, read afterwards, passed on last."""

from datetime import UTC, datetime
from http import HTTPStatus

import orjson
from fastapi import APIRouter, Request, Response

from privacy_gateway.api import published
from privacy_gateway.clients.services import Services
from privacy_gateway.domain.disclosure import schemas, tracking
from privacy_gateway.domain.disclosure.record import Means
from privacy_gateway.domain.tokens.caller import Caller
from privity_rest import NotFound, Unavailable, Unprocessable

LOGISTICS = "logistics-adapter"

REPORT = published.taking(orjson.loads(schemas.document(schemas.TRACKING_REPORT)))

router = APIRouter(prefix="/v1/partners")


class ShipmentNotFound(NotFound):
    """None of this partner's: whether it exists is not theirs to know."""

    code = "shipment_not_found"


class ReportRefused(Unprocessable):
    code = "report_refused"
    title = "The report does not fit the shipment"


class ReportNotTaken(Unavailable):
    code = "report_not_taken"


@router.post("/{recipient_id}/tracking", status_code=202, openapi_extra=REPORT)
async def track(recipient_id: str, request: Request) -> Response:
    means: Means = request.app.state.means
    services: Services = request.app.state.services
    untrusted_body = await request.body()
    await tracking.authenticate(
        recipient_id,
        request.headers,
        untrusted_body,
        database=means.database,
        keks=means.keks,
        now=datetime.now(UTC),
    )
    report = tracking.read(untrusted_body)
    answer = await services.send(
        LOGISTICS,
        "POST",
        "/v1/tracking-events",
        headers=_partner(recipient_id).headers(request.scope["privity.request_id"]),
        body=orjson.dumps(report),
    )
    _require_taken(answer.status)
    return Response(status_code=202)


def _require_taken(status: int) -> None:
    """Raises the refusal that a partner may see: what the service says stays inside."""
    if status < 300:
        return
    if status == HTTPStatus.NOT_FOUND:
        raise ShipmentNotFound
    if status in {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
        raise ReportRefused
    raise ReportNotTaken(f"{LOGISTICS} answered {status}")


def _partner(recipient_id: str) -> Caller:
    return Caller(
        kind="partner",
        actor=recipient_id,
        subject=None,
        role="partner",
        purpose="delivery",
        work=None,
        session=None,
        token_id=None,
        expires_at=None,
    )

"""Business events from one service to those that the policy lets hear them."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Request

from privacy_gateway import consumers as own
from privacy_gateway.api.arrival import of
from privacy_gateway.api.strict_body import body_of
from privacy_gateway.clients.services import Services
from privacy_gateway.domain.policy import Policy
from privacy_gateway.domain.tokens.caller import Caller
from privity_contracts.events import Event
from privity_rest import NotAllowed, Unavailable

router = APIRouter()


class EventNotTaken(Unavailable):
    code = "event_not_taken"


@router.post("/v1/events", status_code=202)
async def pass_on(request: Request, event: Annotated[Event, body_of(Event)]) -> dict[str, int]:
    """Done when every consumer has taken it; a consumer survives the same event twice."""
    arrival = of(request)
    caller: Caller = request.scope["privity.caller"]
    policy: Policy = request.app.state.policies.current
    services: Services = request.app.state.services
    if caller.kind != "service":
        raise NotAllowed("services publish events")
    name = caller.actor.removeprefix("svc_")
    if not policy.trusts(name, "publish", event.type):
        raise NotAllowed(f"{name} does not publish {event.type}")
    consumers = policy.consumers(event.type)
    for consumer in consumers:
        if consumer == own.NAME:
            means = request.app.state.deletion
            await own.receive(event, means=means, now=datetime.now(UTC))
            continue
        answer = await services.send(
            consumer,
            "POST",
            "/v1/events",
            headers=caller.headers(arrival.request_id),
            body=arrival.body,
        )
        if answer.status >= 300:
            raise EventNotTaken(f"{consumer} answered {answer.status} to {event.id}")
    return {"consumers": len(consumers)}

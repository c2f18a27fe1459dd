"""The carrier's HTTP: the webhook that the shop calls, and the controls that tests call."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.types import ASGIApp

from standins.carrier import misbehaviour, tracking
from standins.carrier.calling_back import Callback, call_back
from standins.carrier.identity import Identity, from_environment
from standins.carrier.misbehaviour import Behaviour, SocketInReach
from standins.carrier.reception import (
    Delivery,
    Message,
    NotAccepted,
    PurgeReminder,
    PurgeRequest,
    ShipmentId,
    open_message,
)

LARGEST = 64 * 1024


class Told(BaseModel):
    """What is absent stays as it is."""

    model_config = ConfigDict(extra="forbid")

    gateway_url: str | None = None
    recipient_id: str | None = None
    webhook_secret: str | None = None
    callback_secret: str | None = None


class Advance(BaseModel):
    """`event_id` repeats an earlier report; absent, it is a new one."""

    model_config = ConfigDict(extra="forbid")

    shipment: ShipmentId
    status: tracking.Status
    event_id: str | None = None


@dataclass(slots=True)
class Carrier:
    identity: Identity
    client: httpx.AsyncClient
    behaviour: Behaviour = field(default_factory=Behaviour)
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    purges: dict[str, PurgeRequest] = field(default_factory=dict)
    reminders: list[PurgeReminder] = field(default_factory=list)
    attested: list[Callback] = field(default_factory=list)
    reports: list[tracking.Report] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    journeys: set[asyncio.Task[None]] = field(default_factory=set)

    def behave(self) -> Behaviour:
        """How to treat the webhook at hand."""
        now = self.behaviour
        if now.times is not None:
            left = now.times - 1
            calm = {"mode": "ok", "times": None}
            self.behaviour = now.model_copy(update={"times": left} if left else calm)
        return now

    def take(self, message: Delivery | Message, behaviour: Behaviour) -> None:
        match message:
            case PurgeRequest():
                self._purge(message, behaviour)
            case PurgeReminder():
                self.reminders.append(message)
                if behaviour.attestation != "never":
                    self._later(self._attest(message.purge_request, message.delivery))
            case Delivery():
                self._deliver(message, behaviour)

    def _purge(self, told: PurgeRequest, behaviour: Behaviour) -> None:
        """As it has signed: what this delivery said of a person goes."""
        self.purges[told.id] = told
        self.deliveries.pop(told.delivery, None)
        if behaviour.attestation == "by_itself":
            self._later(self._attest(told.id, told.delivery))

    async def _attest(self, purge_request: str, delivery: str) -> None:
        content = {
            "type": "purge_attestation",
            "purge_request": purge_request,
            "delivery": delivery,
            "purged_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        call = Callback("purge-attestations", f"att_{purge_request[4:]}", content)
        self.attested.append(call)
        await call_back(self.client, self.identity, call)

    def _later(self, doing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(doing)
        self.journeys.add(task)
        task.add_done_callback(self.journeys.discard)

    def _deliver(self, delivery: Delivery, behaviour: Behaviour) -> None:
        known = self.deliveries.get(delivery.webhook_id)
        if known is not None:
            known.times_received += 1
            return
        self.deliveries[delivery.webhook_id] = delivery
        if behaviour.tracking == "by_itself":
            self._later(self._journey(delivery.shipment, behaviour))

    async def _journey(self, shipment: str, behaviour: Behaviour) -> None:
        for status in tracking.JOURNEY:
            await asyncio.sleep(behaviour.tracking_pause_seconds)
            await self.report(tracking.Report(shipment, status))

    async def report(self, report: tracking.Report) -> bool:
        self.reports.append(report)
        times = 2 if self.behaviour.mode == "duplicate_callbacks" else 1
        taken = [await tracking.send(self.client, self.identity, report) for _ in range(times)]
        return all(taken)


def create_app() -> ASGIApp:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            carrier = Carrier(from_environment(), client)
            app.state.carrier = carrier
            yield
            for journey in carrier.journeys:
                journey.cancel()

    app = FastAPI(title="A carrier", lifespan=lifespan, docs_url=None, redoc_url=None)
    _add_webhook(app)
    _add_controls(app)
    return SocketInReach(app)


def _add_webhook(app: FastAPI) -> None:
    @app.post("/webhooks")
    async def webhook(request: Request) -> Response:
        carrier: Carrier = request.app.state.carrier
        carrier.counts["webhooks"] += 1
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST:
                return Response(status_code=413)
        try:
            message = open_message(bytes(body), request.headers, carrier.identity)
        except NotAccepted as refusal:
            carrier.counts[refusal.code] += 1
            return JSONResponse({"code": refusal.code}, status_code=refusal.status)
        behaviour = carrier.behave()
        if behaviour.mode in misbehaviour.TAKES:
            carrier.take(message, behaviour)
        given = message.model_dump_json()
        return await misbehaviour.answer(request, behaviour, given)

    @app.api_route("/misdirected", methods=["GET", "POST"])
    async def misdirected(request: Request) -> Response:
        """Where `redirect` points. Nobody should ever come here."""
        request.app.state.carrier.counts["misdirected"] += 1
        return Response(status_code=204)


def _add_controls(app: FastAPI) -> None:
    @app.get("/healthz")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/key")
    async def key(request: Request) -> dict[str, Any]:
        identity: Identity = request.app.state.carrier.identity
        return identity.public_key()

    @app.put("/identity", status_code=204)
    async def identify(request: Request, told: Told) -> None:
        for name, value in told.model_dump(exclude_none=True).items():
            setattr(request.app.state.carrier.identity, name, value)

    @app.put("/behaviour")
    async def behave(request: Request, behaviour: Behaviour) -> Behaviour:
        request.app.state.carrier.behaviour = behaviour
        return behaviour

    @app.get("/deliveries")
    async def deliveries(request: Request) -> dict[str, Any]:
        carrier: Carrier = request.app.state.carrier
        return {
            "deliveries": [delivery.model_dump() for delivery in carrier.deliveries.values()],
            "purges": [told.model_dump(mode="json") for told in carrier.purges.values()],
            "reminders": [told.model_dump(mode="json") for told in carrier.reminders],
            "attested": [asdict(call) for call in carrier.attested],
            "reports": [asdict(report) for report in carrier.reports],
            "counts": dict(carrier.counts),
        }

    @app.delete("/deliveries", status_code=204)
    async def forget(request: Request) -> None:
        """Forgets everything it was given and everything it did."""
        carrier: Carrier = request.app.state.carrier
        for journey in carrier.journeys:
            journey.cancel()
        carrier.deliveries.clear()
        carrier.purges.clear()
        carrier.reminders.clear()
        carrier.attested.clear()
        carrier.reports.clear()
        carrier.counts.clear()

    @app.post("/advance")
    async def advance(request: Request, told: Advance) -> Response:
        carrier: Carrier = request.app.state.carrier
        report = tracking.Report(told.shipment, told.status)
        if told.event_id is not None:
            report.event_id = told.event_id
        taken = await carrier.report(report)
        return JSONResponse(
            {"event_id": report.event_id, "answers": report.answers},
            status_code=200 if taken else 502,
        )

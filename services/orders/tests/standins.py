"""Small real HTTP servers that stand for the world outside: the gateway and Stripe."""

import asyncio
import itertools
import socket
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson
import uvicorn

Answer = tuple[int, dict[str, Any], dict[str, str]]


@contextmanager
def served(app: Callable[..., Awaitable[None]]) -> Iterator[str]:
    """The application's address, for as long as the block lasts."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True  # also of requests that hang
        thread.join(timeout=5)
        listening.close()


async def _body(receive: Any) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _send(send: Any, status: int, body: dict[str, Any], headers: dict[str, str]) -> None:
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    pairs.append((b"content-type", b"application/json"))
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": orjson.dumps(body)})


@dataclass
class GatewayStandin:
    """Takes events."""

    events: list[dict[str, Any]] = field(default_factory=list)
    refuse: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        event = orjson.loads(await _body(receive))
        if self.refuse > 0:
            self.refuse -= 1
            await _send(send, 503, {}, {})
            return
        assert scope["path"] == "/v1/events"
        assert dict(scope["headers"])[b"privity-service"] == b"orders"
        self.events.append(event)
        await _send(send, 202, {}, {})

    def about(self, order_id: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["data"]["order_id"] == order_id]


CARDS = {
    "tok_visa": "succeeded",
    "pm_card_visa": "succeeded",
    "tok_chargeDeclined": "card_declined",
    "tok_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_threeDSecure2Required": "requires_action",
}


@dataclass
class StripeStandin:
    """Speaks the part of Stripe's API that we use, idempotency included; fails on request.

    `plan` holds what to do with the next request of a kind (`create`, `confirm`, `retrieve`,
    `cancel`, `refund`): `hang` does the work and never answers, `slow` answers a
    second later, `busy` is a 429, `broken` a 500
    after the work, `lost` a 500 before it.
    """

    intents: dict[str, dict[str, Any]] = field(default_factory=dict)
    refunds: list[dict[str, Any]] = field(default_factory=list)
    plan: dict[str, list[str]] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    saved: dict[str, Answer] = field(default_factory=dict)
    forms: list[dict[str, str]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        form = dict(parse_qsl((await _body(receive)).decode()))
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        assert headers["authorization"].startswith("Bearer sk_test_")
        kind, reference = _kind(scope["method"], scope["path"])
        self.seen[kind] += 1
        todo = self.plan.get(kind, [])
        how = todo.pop(0) if todo else "work"
        if how == "busy":
            await _send(send, 429, {"error": {"type": "rate_limit_error"}}, {})
            return
        answer = self._saved(headers.get("idempotency-key"), kind, reference, form, how)
        if how in {"hang", "slow"}:
            await asyncio.sleep(60 if how == "hang" else 1)
        await _send(send, *answer)

    def _saved(
        self, key: str | None, kind: str, reference: str, form: dict[str, str], how: str
    ) -> Answer:
        if kind != "retrieve":
            assert key is not None, "a request that changes something has no idempotency key"
            self.forms.append(form)
        if key is not None and key in self.saved:
            status, body, _ = self.saved[key]
            return status, body, {"idempotent-replayed": "true"}
        answer: Answer = (500, {"error": {"type": "api_error"}}, {})
        if how != "lost":
            worked = getattr(self, f"_{kind}")(reference, form)
            answer = answer if how == "broken" else (*worked, {})
        if key is not None:
            self.saved[key] = orjson.loads(orjson.dumps(answer))
        return answer

    def _create(self, _: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        token = form.get("payment_method") or form["payment_method_data[card][token]"]
        if token not in CARDS:
            return 400, _error("invalid_request_error", "resource_missing")
        intent: dict[str, Any] = {
            "id": f"pi_{next(self.numbers)}",
            "amount": int(form["amount"]),
            "currency": form["currency"],
            "status": "requires_confirmation",
            "metadata": {"payment_id": form["metadata[payment_id]"]},
            "token": token,
        }
        self.intents[intent["id"]] = intent
        return 200, intent

    def _confirm(self, reference: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        intent = self.intents[reference]
        if intent["status"] != "requires_confirmation":
            return 400, _error("invalid_request_error", "payment_intent_unexpected_state")
        outcome = CARDS[intent["token"]]
        if outcome == "succeeded":
            self.succeed(reference)
            return 200, intent
        if outcome == "requires_action":
            intent["status"] = "requires_action"
            url = f"https://hooks.stripe.example/{reference}"
            intent["next_action"] = {"type": "redirect_to_url", "redirect_to_url": {"url": url}}
            return 200, intent
        intent["status"] = "requires_payment_method"
        intent["last_payment_error"] = {
            "type": "card_error",
            "code": "card_declined",
            "decline_code": outcome,
            "payment_method": {"card": {"brand": "visa", "last4": "0002"}},
        }
        error = {**intent["last_payment_error"], "payment_intent": dict(intent)}
        return 402, {"error": error}

    def _retrieve(self, reference: str, _: dict[str, str]) -> tuple[int, dict[str, Any]]:
        return 200, self.intents[reference]

    def _cancel(self, reference: str, _: dict[str, str]) -> tuple[int, dict[str, Any]]:
        intent = self.intents[reference]
        if intent["status"] in {"succeeded", "canceled"}:
            return 400, _error("invalid_request_error", "payment_intent_unexpected_state")
        intent["status"] = "canceled"
        return 200, intent

    def _refund(self, _: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        intent = self.intents[form["payment_intent"]]
        assert intent["status"] == "succeeded"
        if any(refund["payment_intent"] == intent["id"] for refund in self.refunds):
            return 400, _error("invalid_request_error", "charge_already_refunded")
        refund = {"id": f"re_{intent['id']}", "status": "succeeded", "payment_intent": intent["id"]}
        self.refunds.append(refund)
        return 200, refund

    def succeed(self, reference: str) -> None:
        """Also what happens when a customer passes the challenge in their browser."""
        intent = self.intents[reference]
        intent["status"] = "succeeded"
        card = {"brand": "visa", "last4": "4242"}
        intent["latest_charge"] = {"payment_method_details": {"card": card}}

    def fail_challenge(self, reference: str) -> None:
        intent = self.intents[reference]
        intent["status"] = "requires_payment_method"
        intent["last_payment_error"] = {
            "type": "card_error",
            "code": "payment_intent_authentication_failure",
        }

    def taken(self) -> list[dict[str, Any]]:
        return [intent for intent in self.intents.values() if intent["status"] == "succeeded"]


def _kind(method: str, path: str) -> tuple[str, str]:
    if path == "/v1/refunds":
        return "refund", ""
    steps = path.removeprefix("/v1/payment_intents").strip("/").split("/")
    if steps == [""]:
        return "create", ""
    if method == "GET":
        return "retrieve", steps[0]
    return steps[1], steps[0]


def _error(kind: str, code: str) -> dict[str, Any]:
    return {"error": {"type": kind, "code": code}}

"""Stripe's API: a payment is a PaymentIntent, created first and confirmed second.

Creating one moves no money, and one that is confirmed can succeed only once, so whatever is lost
on the way (an answer, this process) is found out by doing the same again: creation replays under
its idempotency key and gives the same intent, whose status then says what happened. The keys live
for a day at least; a payment that is still unknown after a day and was never stored with its
reference would be created anew, unconfirmed, which costs nobody anything.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import structlog

from orders.clients.payment_provider import Attempt, Charge, OutcomeUnknown
from orders.models import Outcome, Reason
from privity_rest import read_secret

VERSION = "2024-06-20"
_REASONS = {
    "insufficient_funds": Reason.INSUFFICIENT_FUNDS,
    "expired_card": Reason.EXPIRED_CARD,
    "incorrect_cvc": Reason.INCORRECT_CVC,
    "invalid_cvc": Reason.INCORRECT_CVC,
    "authentication_required": Reason.AUTHENTICATION_FAILED,
    "payment_intent_authentication_failure": Reason.AUTHENTICATION_FAILED,
    "processing_error": Reason.PROCESSING_ERROR,
}
_WITH_CHARGE = {"expand[]": "latest_charge"}
# Not executed: a lock on the intent, a request with this key under way, too many requests.
_BUSY = {HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}
_PAUSES = (0.1, 0.3, 0.6)
_log = structlog.get_logger("orders.stripe")


class _Refused(Exception):
    """An answer of 400, 402 or 404: nothing was done, and Stripe says why."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(error.get("code"))
        self.error = error
        self.code = error.get("code")


class Stripe:
    def __init__(
        self, *, url: str, key_file: Path, return_url: str, timeout_seconds: float
    ) -> None:
        self._return_url = return_url
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={
                "Authorization": f"Bearer {read_secret(key_file)}",
                "Stripe-Version": VERSION,
            },
            timeout=timeout_seconds,
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def charge(self, charge: Charge) -> Attempt:
        try:
            reference = charge.reference or await self._create(charge)
            return await self._confirm(charge, reference)
        except _Refused as refused:
            return _declined(refused.error, charge.reference)

    async def after_challenge(self, charge: Charge, *, result: str | None) -> Attempt:
        """Stripe knows the result by itself; `result` is what other providers hand around."""
        if charge.reference is None:
            return await self.charge(charge)
        attempt = _attempt(await self._retrieve(charge.reference))
        if attempt.outcome is not Outcome.DECLINED:
            return attempt
        # The customer's browser still knows the intent; nothing may come of it behind our back.
        if await self._cancel(charge, charge.reference):
            return attempt
        return _attempt(await self._retrieve(charge.reference))

    async def release(self, charge: Charge) -> Outcome:
        try:
            reference = charge.reference or await self._create(charge)
        except _Refused:
            return Outcome.VOIDED  # there is not even an intent
        for _ in range(2):
            status = (await self._retrieve(reference))["status"]
            if status == "canceled":
                return Outcome.VOIDED
            if status == "succeeded":
                return await self._refund(charge, reference)
            if status != "processing" and await self._cancel(charge, reference):
                return Outcome.VOIDED
        raise OutcomeUnknown(f"{charge.payment_id} is still being processed")

    async def _create(self, charge: Charge) -> str:
        """The intent's id. Raises _Refused when the token or the amount is no good."""
        form = {
            "amount": str(charge.amount),
            "currency": charge.currency.lower(),
            "payment_method_types[]": "card",
            "metadata[payment_id]": charge.payment_id,
        }
        if charge.token.startswith("tok_"):
            form["payment_method_data[type]"] = "card"
            form["payment_method_data[card][token]"] = charge.token
        else:
            form["payment_method"] = charge.token
        created = await self._post("/v1/payment_intents", form, f"{charge.payment_id}:create")
        return str(created["id"])

    async def _confirm(self, charge: Charge, reference: str) -> Attempt:
        form = {"return_url": self._return_url, **_WITH_CHARGE}
        try:
            return _attempt(
                await self._post(
                    f"/v1/payment_intents/{reference}/confirm",
                    form,
                    f"{charge.payment_id}:confirm",
                )
            )
        except _Refused as refused:
            if refused.code != "payment_intent_unexpected_state":
                return _declined(refused.error, reference)
        except OutcomeUnknown:
            # A 500 is replayed like any other answer; the intent itself knows better.
            pass
        return _attempt(await self._retrieve(reference))

    async def _refund(self, charge: Charge, reference: str) -> Outcome:
        try:
            refund = await self._post(
                "/v1/refunds", {"payment_intent": reference}, f"{charge.payment_id}:refund"
            )
        except _Refused as refused:
            if refused.code == "charge_already_refunded":
                return Outcome.REFUNDED
            raise OutcomeUnknown(f"{charge.payment_id} cannot be refunded") from None
        if refund["status"] in {"failed", "canceled"}:
            _log.error("refund_failed", payment_id=charge.payment_id)
            raise OutcomeUnknown(f"the refund of {charge.payment_id} failed")
        return Outcome.REFUNDED

    async def _cancel(self, charge: Charge, reference: str) -> bool:
        """False when it was decided otherwise since we asked."""
        path = f"/v1/payment_intents/{reference}/cancel"
        try:
            await self._post(path, {}, f"{charge.payment_id}:cancel")
        except _Refused as refused:
            if refused.code == "payment_intent_unexpected_state":
                return False
            raise OutcomeUnknown(f"{charge.payment_id} cannot be cancelled") from None
        return True

    async def _retrieve(self, reference: str) -> Mapping[str, Any]:
        try:
            return await self._send("GET", f"/v1/payment_intents/{reference}", params=_WITH_CHARGE)
        except _Refused:
            raise OutcomeUnknown(f"{reference} cannot be retrieved") from None

    async def _post(self, path: str, form: Mapping[str, str], key: str) -> Mapping[str, Any]:
        return await self._send("POST", path, data=form, headers={"Idempotency-Key": key})

    async def _send(self, method: str, path: str, **request: Any) -> Mapping[str, Any]:
        """Raises _Refused, or OutcomeUnknown when there is no usable answer."""
        for pause in (*_PAUSES, None):
            try:
                response = await self._client.request(method, path, **request)
            except httpx.HTTPError as exc:
                raise OutcomeUnknown(f"no answer: {type(exc).__name__}") from None
            if response.status_code not in _BUSY or pause is None:
                break
            await asyncio.sleep(pause)
        if response.status_code == HTTPStatus.OK:
            return _object(response)
        if response.status_code in {400, 402, 404}:
            raise _Refused(_object(response).get("error") or {})
        if response.status_code in {401, 403}:
            _log.error("stripe_refuses_our_key", status=response.status_code)
        raise OutcomeUnknown(f"the provider answered {response.status_code}")


def _object(response: httpx.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise OutcomeUnknown("the provider's answer cannot be read")
    return body


def _attempt(intent: Mapping[str, Any]) -> Attempt:
    status, reference = intent["status"], intent["id"]
    error = intent.get("last_payment_error") or {}
    if status == "succeeded":
        details = (intent.get("latest_charge") or {}).get("payment_method_details") or {}
        brand, last4 = _card(details)
        return Attempt(Outcome.APPROVED, reference, brand=brand, last4=last4)
    if status == "requires_action":
        action = (intent.get("next_action") or {}).get("redirect_to_url") or {}
        return Attempt(Outcome.CHALLENGE, reference, challenge_url=action.get("url"))
    if status == "requires_payment_method":
        return _declined(error, reference)
    if status == "canceled":
        return Attempt(Outcome.VOIDED, reference)
    raise OutcomeUnknown(f"the intent is {status}")


def _declined(error: Mapping[str, Any], reference: str | None) -> Attempt:
    intent = error.get("payment_intent") or {}
    brand, last4 = _card(error.get("payment_method") or {})
    reference = reference or intent.get("id")
    return Attempt(Outcome.DECLINED, reference, brand=brand, last4=last4, reason=_reason(error))


def _reason(error: Mapping[str, Any]) -> Reason:
    if error.get("type") == "invalid_request_error":
        missing = error.get("code") in {"resource_missing", "token_already_used"}
        return Reason.INVALID_TOKEN if missing else Reason.PROCESSING_ERROR
    for code in (error.get("decline_code"), error.get("code")):
        if code in _REASONS:
            return _REASONS[code]
    return Reason.CARD_DECLINED


def _card(holder: Mapping[str, Any]) -> tuple[str | None, str | None]:
    card = holder.get("card") or {}
    return card.get("brand"), card.get("last4")

"""The register of recipients, for the staff who keep agreements with partners.

Every change is on record before it is made. Secrets are in the answer that mints them, once.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from privacy_gateway.api import recipient_forms as forms
from privacy_gateway.api.strict_body import body_of
from privacy_gateway.clients.endpoints import AllowedAddresses
from privacy_gateway.domain.deletion import partners
from privacy_gateway.domain.disclosure.record import Means
from privacy_gateway.domain.recipients import agreements, changes, registry, webhook_secrets
from privacy_gateway.domain.recipients.changes import Change
from privacy_gateway.domain.recipients.registry import Entry
from privacy_gateway.domain.tokens.caller import Caller
from privacy_gateway.models import Recipient
from privity_contracts import ids
from privity_rest import NotAllowed, Unauthenticated

router = APIRouter(prefix="/v1/recipients")


class NotForPartnerManagement(NotAllowed):
    code = "purpose_not_allowed"
    title = "This purpose does not open this door"


@dataclass(frozen=True, slots=True)
class Register:
    """The register, open to one caller for one request."""

    means: Means
    allowed: AllowedAddresses
    caller: Caller
    request_id: str
    now: datetime

    async def record(self, recipient_id: str, change: Change) -> None:
        access = changes.access(
            self.means.policy,
            self.caller,
            recipient_id=recipient_id,
            change=change,
            request_id=self.request_id,
        )
        await self.means.audit.record([access])

    async def find(self, recipient_id: str) -> Recipient:
        """Raises RecipientNotFound."""
        async with self.means.database.transaction() as tx:
            return await registry.find(tx, recipient_id)

    async def shown(self, recipient_id: str) -> dict[str, Any]:
        """Raises RecipientNotFound."""
        async with self.means.database.transaction() as tx:
            recipient = await registry.find(tx, recipient_id)
            signed = await agreements.of(tx, recipient_id)
            secrets = await webhook_secrets.of(tx, recipient_id)
        return forms.whole(recipient, signed, secrets)


async def _admitted(request: Request) -> Register:
    means: Means = request.app.state.means
    caller: Caller = request.scope["privity.caller"]
    request_id: str = request.scope["privity.request_id"]
    if caller.kind == "visitor":
        raise Unauthenticated("sign in first")
    for_this = caller.kind == "staff" and caller.purpose == changes.PURPOSE
    if not for_this or not means.policy.may(caller.role, changes.PURPOSE):
        refusal = changes.refusal(means.policy, caller, request_id=request_id)
        await means.audit.record([refusal])
        raise NotForPartnerManagement(f"for {changes.PURPOSE} only")
    allowed: AllowedAddresses = request.app.state.webhooks.allowed
    return Register(means, allowed, caller, request_id, datetime.now(UTC))


Admitted = Annotated[Register, Depends(_admitted)]
# A refusal names what was asked for, so it has to be an id.
RecipientId = Annotated[str, Path(pattern=rf"^rcp_{ids.BODY}$")]


@router.post("")
async def add(
    register: Admitted,
    body: Annotated[forms.NewRecipient, body_of(forms.NewRecipient)],
    request: Request,
    response: Response,
) -> dict[str, Any]:
    forms.check_recipient(body, register.allowed)
    entry = _entry(body, forms.idempotency_key(request), register.caller)
    async with register.means.database.transaction() as tx:
        known = await registry.registered(tx, entry)
    if known is not None:
        return await register.shown(known.id)
    await register.record(entry.id, "recipient_registered")
    keks, now = register.means.keks, register.now
    uses = webhook_secrets.USES if entry.kind == "delivery" else ()
    fresh = [await webhook_secrets.mint(keks, entry.id, use, now=now) for use in uses]
    async with register.means.database.transaction() as tx:
        added = await registry.register(tx, entry, now=now)
        if added.id == entry.id:
            tx.add_all([secret.row for secret in fresh])
    if added.id != entry.id:  # the same request came twice at once, and the other was first
        return await register.shown(added.id)
    response.status_code = 201
    secrets = {f"{secret.row.use}_secret": secret.text for secret in fresh}
    return {**await register.shown(added.id), **secrets}


@router.get("")
async def everyone(register: Admitted) -> dict[str, Any]:
    async with register.means.database.transaction() as tx:
        found = await registry.everyone(tx)
    return {"recipients": [forms.summary(each) for each in found]}


@router.get("/{recipient_id}")
async def one(register: Admitted, recipient_id: RecipientId) -> dict[str, Any]:
    return await register.shown(recipient_id)


@router.post("/{recipient_id}/agreements")
async def add_agreement(
    register: Admitted,
    recipient_id: RecipientId,
    body: Annotated[forms.NewAgreement, body_of(forms.NewAgreement, random=forms.HASHES)],
    response: Response,
) -> dict[str, Any]:
    now = register.now
    recipient = await register.find(recipient_id)
    terms = forms.terms(body, recipient.kind, policy=register.means.policy, now=now)
    await register.record(recipient_id, "agreement_added")
    async with register.means.database.transaction() as tx:
        agreement, new = await agreements.add(tx, recipient_id, terms, now=now)
    response.status_code = 201 if new else 200
    return forms.agreement(agreement)


@router.put("/{recipient_id}/status")
async def set_status(
    register: Admitted,
    recipient_id: RecipientId,
    body: Annotated[forms.NewStatus, body_of(forms.NewStatus)],
) -> dict[str, Any]:
    await register.find(recipient_id)
    suspends = body.status == "suspended"
    await register.record(
        recipient_id, "recipient_suspended" if suspends else "recipient_activated"
    )
    async with register.means.database.transaction() as tx:
        await registry.set_status(tx, recipient_id, body.status)
    return await register.shown(recipient_id)


@router.put("/{recipient_id}/endpoint")
async def set_endpoint(
    register: Admitted,
    recipient_id: RecipientId,
    body: Annotated[forms.NewEndpoint, body_of(forms.NewEndpoint)],
) -> dict[str, Any]:
    recipient = await register.find(recipient_id)
    forms.check_endpoint(body.endpoint, recipient.kind, register.allowed)
    await register.record(recipient_id, "endpoint_changed")
    async with register.means.database.transaction() as tx:
        await registry.set_endpoint(tx, recipient_id, body.endpoint)
        await partners.tell_again(tx, recipient_id)
    return await register.shown(recipient_id)


@router.put("/{recipient_id}/key")
async def set_key(
    register: Admitted,
    recipient_id: RecipientId,
    body: Annotated[forms.NewKey, body_of(forms.NewKey)],
) -> dict[str, Any]:
    recipient = await register.find(recipient_id)
    forms.check_key(body.public_key, recipient.kind)
    await register.record(
        recipient_id, "public_key_changed" if body.public_key else "public_key_removed"
    )
    async with register.means.database.transaction() as tx:
        await registry.set_key(tx, recipient_id, body.public_key)
    return await register.shown(recipient_id)


@router.post("/{recipient_id}/secrets", status_code=201)
async def rotate(
    register: Admitted,
    recipient_id: RecipientId,
    body: Annotated[forms.Rotation, body_of(forms.Rotation)],
) -> dict[str, Any]:
    now = register.now
    recipient = await register.find(recipient_id)
    forms.check_has_secrets(recipient.kind)
    is_webhook = body.use == "webhook"
    await register.record(
        recipient_id, "webhook_secret_rotated" if is_webhook else "callback_secret_rotated"
    )
    fresh = await webhook_secrets.mint(register.means.keks, recipient_id, body.use, now=now)
    overlap = timedelta(hours=body.overlap_hours)
    async with register.means.database.transaction() as tx:
        await webhook_secrets.rotate(tx, fresh, overlap=overlap, now=now)
    return {"id": fresh.row.id, "use": body.use, "secret": fresh.text}


def _entry(body: forms.NewRecipient, key: str, caller: Caller) -> Entry:
    return Entry(
        id=ids.mint("rcp"),
        name=body.name,
        kind=body.kind,
        endpoint=body.endpoint,
        public_key=body.public_key,
        # Keys of two people never meet, and neither of them is in the table.
        request_key=hashlib.sha256(f"{caller.actor}|{key}".encode()).digest(),
        request_fingerprint=hashlib.sha256(body.model_dump_json().encode()).digest(),
    )

"""On the way in: checked, recorded, sealed. What cannot be recorded does not go on."""

from dataclasses import dataclass
from typing import Any

import orjson

from privacy_gateway.clients.services import Services
from privacy_gateway.domain.audit.access import Access, FieldAccess
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.contracts.request import Carry, Reading
from privacy_gateway.domain.intake.card_numbers import CardNumberRefused, screen
from privacy_gateway.domain.intake.normalise import index_form
from privacy_gateway.domain.passage.journey import Journey
from privacy_gateway.domain.vault.vault import Vault
from privity_contracts import ids
from privity_rest import Malformed, NotFound, Unprocessable

PHONE = "user.contact.phone_number"


class IdempotencyKeyRequired(Malformed):
    code = "idempotency_key_required"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What goes on to the service."""

    body: bytes | None
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Place:
    subject: str
    scope: str


class Inbound:
    def __init__(self, *, vault: Vault, audit: AuditLog, services: Services) -> None:
        self._vault = vault
        self._audit = audit
        self._services = services

    async def admit(self, journey: Journey, body: Any) -> Outgoing:
        """Raises Unprocessable with the places and codes of what is wrong, NotFound for something
        to carry that is not the caller's, and Unavailable when it cannot be recorded."""
        route = journey.route
        plan = journey.contracts.request(route)
        if plan is None:
            if body is not None:
                raise Malformed("this route takes no body")
            return Outgoing(None, _headers(journey, None, None))
        reading = plan.read(body)
        exempt = frozenset(slot.path for slot in reading.slots if slot.category == PHONE)
        cards = screen(body, exempt=exempt)
        if cards:
            raise CardNumberRefused(errors=cards)
        if reading.errors:
            raise Unprocessable(errors=reading.errors)
        content = orjson.dumps(reading.body, option=orjson.OPT_SORT_KEYS)
        new_id = self._new_id(journey)
        fingerprint = self._vault.fingerprint(content) if route.idempotent else None
        await self._fill(journey, reading, new_id)
        return Outgoing(orjson.dumps(reading.body), _headers(journey, new_id, fingerprint))

    def _new_id(self, journey: Journey) -> str | None:
        route, key = journey.route, journey.idempotency_key
        if route.idempotent and key is None:
            raise IdempotencyKeyRequired("send an Idempotency-Key with this request")
        if route.new is None:
            return None
        if key is None:
            return ids.mint(route.new)
        # A retry meets the same id, so the same data key, and leaves nothing behind.
        return self._vault.deterministic_id(route.new, journey.caller.actor, route.name, key)

    async def _fill(self, journey: Journey, reading: Reading, new_id: str | None) -> None:
        for lookup in reading.lookups:
            validator = journey.policy.category(lookup.category).validator or ""
            form = index_form(validator, lookup.plaintext)
            lookup.container[lookup.name] = self._vault.blind_index(lookup.category, form)
        if not reading.slots and not reading.carries:
            return
        place = _place(journey, new_id)
        carried = [(carry, await self._read_for(journey, carry)) for carry in reading.carries]
        accesses = [self._carry_access(journey, carry, found) for carry, found in carried]
        if reading.slots:
            accesses.append(_collection(journey, reading, place))
        receipts = await self._audit.record(accesses)
        classes = journey.policy.classes
        for (carry, found), receipt in zip(carried, receipts, strict=False):
            built: dict[str, Any] = {}
            for name, category in carry.fields.items():
                value = found.get(name)
                if value is not None and category is not None:
                    value = await self._vault.reseal(
                        value, receipt, place.subject, place.scope, classes=classes
                    )
                built[name] = value
            carry.container[carry.name] = built
        tokens = await self._vault.seal(
            place.subject,
            place.scope,
            [(slot.category, slot.plaintext) for slot in reading.slots],
            classes=classes,
        )
        for slot, token in zip(reading.slots, tokens, strict=True):
            slot.container[slot.name] = token

    async def _read_for(self, journey: Journey, carry: Carry) -> dict[str, Any]:
        """The object to carry, read as the caller themselves."""
        head, _, rest = carry.path.partition("{")
        path = f"{head}{carry.key}{rest.partition('}')[2]}"
        answer = await self._services.send(
            carry.service, "GET", path, headers=journey.caller.headers(journey.request_id)
        )
        if answer.status != 200:
            raise NotFound("there is nothing of yours to use under this id")
        found = orjson.loads(answer.body)
        schema = journey.contracts.offer.reading_route(carry.service, carry.path).answer or {}
        if found.get(schema.get("x-privity-subject", "")) != journey.caller.subject:
            await self._audit.record([journey.refusal("foreign_subject")])
            raise NotFound("there is nothing of yours to use under this id")
        return dict(found)

    def _carry_access(self, journey: Journey, carry: Carry, found: dict[str, Any]) -> Access:
        schema = journey.contracts.offer.reading_route(carry.service, carry.path).answer or {}
        kind, _, field = schema.get("x-privity-scope", "").partition("/")
        fields = tuple(
            FieldAccess(f"{carry.name}.{name}", category, "carry")
            for name, category in carry.fields.items()
            if category is not None
        )
        return journey.access(
            "carry",
            subject=found[schema["x-privity-subject"]],
            scope=f"{kind}/{found.get(field)}",
            fields=fields,
        )


def _headers(journey: Journey, new_id: str | None, fingerprint: str | None) -> dict[str, str]:
    headers = {}
    if new_id is not None:
        headers["Privity-New-Id"] = new_id
    if journey.idempotency_key is not None:
        headers["Idempotency-Key"] = journey.idempotency_key
    if fingerprint is not None:
        headers["Privity-Fingerprint"] = fingerprint
    return headers


def _place(journey: Journey, new_id: str | None) -> _Place:
    """Whose the sealed values are, and what their keys belong to."""
    kind, _, name = (journey.route.scope or "").partition("/")
    subject = journey.caller.subject
    if name == "new" and new_id is not None:
        return _Place(new_id if kind == "account" else _known(subject), f"{kind}/{new_id}")
    if name == "caller":
        return _Place(_known(subject), f"{kind}/{_known(subject)}")
    return _Place(_known(subject), f"{kind}/{journey.parameters[name.strip('{}')]}")


def _known(subject: str | None) -> str:
    if subject is None:
        raise Malformed("only a customer can give data of their own here")
    return subject


def _collection(journey: Journey, reading: Reading, place: _Place) -> Access:
    fields = tuple(
        FieldAccess(slot.path.strip("/").replace("/", "."), slot.category, "seal")
        for slot in reading.slots
    )
    return journey.access("collect", subject=place.subject, scope=place.scope, fields=fields)

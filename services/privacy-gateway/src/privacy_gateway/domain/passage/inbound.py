"""On the way in: checked, recorded, sealed. What cannot be recorded does not go on."""

from dataclasses import dataclass
from typing import Any, NoReturn

import orjson

from privacy_gateway.clients.services import Services, ServiceUnavailable
from privacy_gateway.domain.assignees import Assignees
from privacy_gateway.domain.audit.access import Access, FieldAccess, Receipt
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.contracts.reading import Carry, Reading
from privacy_gateway.domain.intake.card_numbers import CardNumberRefused, screen
from privacy_gateway.domain.intake.normalise import index_form
from privacy_gateway.domain.passage.journey import Journey
from privacy_gateway.domain.vault.vault import NotInReceipt, Vault
from privity_contracts import ids
from privity_rest import Malformed, NotFound, Unavailable, Unprocessable

PHONE = "user.contact.phone_number"
# Somebody else's and nobody's look the same.
NOT_YOURS = "there is nothing of yours to use under this id"


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
    def __init__(
        self, *, vault: Vault, audit: AuditLog, services: Services, assignees: Assignees
    ) -> None:
        self._vault = vault
        self._assignees = assignees
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
            await self._note_change(journey)
            return Outgoing(None, self._headers(journey, None, None))
        reading = plan.read(body)
        exempt = frozenset(slot.path for slot in reading.slots if slot.category == PHONE)
        cards = screen(body, exempt=exempt)
        if cards:
            raise CardNumberRefused(errors=cards)
        if reading.errors:
            raise Unprocessable(errors=reading.errors)
        await self._require_assignees(journey, reading)
        content = orjson.dumps(reading.body, option=orjson.OPT_SORT_KEYS)
        new_id = self._new_id(journey)
        fingerprint = self._vault.fingerprint(content) if route.idempotent else None
        recorded = await self._fill(journey, reading, new_id)
        if route.answers == "search":
            # Also one that finds nobody: trying addresses out does not go unseen.
            await self._audit.record([_search(journey, reading)])
        elif not recorded:
            await self._note_change(journey)
        return Outgoing(orjson.dumps(reading.body), self._headers(journey, new_id, fingerprint))

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

    async def _require_assignees(self, journey: Journey, reading: Reading) -> None:
        """Raises Unprocessable for somebody whose work it cannot become, after recording it."""
        errors = []
        for each in reading.assignees:
            staff_id = each.staff_id or journey.caller.actor
            case_id = each.work.partition("/")[2].format_map(journey.parameters)
            objection = await self._assignees.objection(
                staff_id, case_id, request_id=journey.request_id
            )
            if objection is not None:
                errors.append((each.path, objection))
        if errors:
            await self._audit.record([journey.refusal(errors[0][1])])
            raise Unprocessable(errors=errors)

    async def _note_change(self, journey: Journey) -> None:
        """A change is on record before it is made, like a read before it is answered."""
        if journey.route.method == "GET":
            return
        named = [name for name in journey.parameters.values() if ids.is_id(name)]
        change = journey.access(
            "change",
            subject=journey.caller.subject or journey.caller.work_subject,
            scope=None,
            fields=(),
            resource=named[-1] if named else None,
        )
        try:
            await self._audit.record([change])
        except Unavailable:
            # Whoever wants to be signed out is signed out, whatever else stands still.
            if journey.route.answers != "session_end":
                raise

    async def _fill(self, journey: Journey, reading: Reading, new_id: str | None) -> bool:
        """True when it put something on record."""
        for lookup in reading.lookups:
            validator = journey.policy.category(lookup.category).validator or ""
            form = index_form(validator, lookup.plaintext)
            lookup.container[lookup.name] = await self._vault.blind_index(lookup.category, form)
        if not reading.slots and not reading.carries:
            return False
        carried = [(carry, await self._read_for(journey, carry)) for carry in reading.carries]
        accesses = [_carry_access(journey, carry, found) for carry, found in carried]
        place = _place(journey, new_id, {access.subject for access in accesses})
        if not _within_work(journey, place) or not await self._is_theirs(journey, place):
            await self._refuse(journey, place.subject)
        if reading.slots:
            accesses.append(_collection(journey, reading, place))
        receipts = await self._audit.record(accesses)
        for (carry, found), receipt in zip(carried, receipts, strict=False):
            built: dict[str, Any] = {}
            for name, category in carry.fields.items():
                value = found.get(name)
                if value is not None and category is not None:
                    value = await self._resealed(journey, value, receipt, place)
                built[name] = value
            carry.container[carry.name] = built
        tokens = await self._vault.seal(
            place.subject,
            place.scope,
            [(slot.category, slot.plaintext) for slot in reading.slots],
            classes=journey.policy.classes,
        )
        for slot, token in zip(reading.slots, tokens, strict=True):
            slot.container[slot.name] = token
        return True

    async def _is_theirs(self, journey: Journey, place: _Place) -> bool:
        """Nothing is sealed for one person among what belongs to another."""
        if "{" not in (journey.route.scope or ""):
            return True  # new, or the caller's own account
        owners = await self._vault.owners([place.scope])
        return owners.get(place.scope, place.subject) == place.subject

    async def _resealed(self, journey: Journey, token: str, receipt: Receipt, place: _Place) -> str:
        """Raises NotFound for a value that a service took for the caller's."""
        try:
            return await self._vault.reseal(
                token, receipt, place.subject, place.scope, classes=journey.policy.classes
            )
        except NotInReceipt:
            await self._refuse(journey, place.subject)

    async def _read_for(self, journey: Journey, carry: Carry) -> dict[str, Any]:
        """The object to carry, read as the caller themselves."""
        head, _, rest = carry.path.partition("{")
        path = f"{head}{carry.key}{rest.partition('}')[2]}"
        answer = await self._services.send(
            carry.service, "GET", path, headers=journey.caller.headers(journey.request_id)
        )
        if answer.status >= 500:
            raise ServiceUnavailable(f"{carry.service} answered {answer.status}")
        if answer.status != 200:
            raise NotFound(NOT_YOURS)
        found = orjson.loads(answer.body)
        subject, scope = _about(journey, carry, found)
        if subject is None or not journey.entitled(subject=subject, scope=scope):
            await self._refuse(journey, subject)
        return dict(found)

    def _headers(
        self, journey: Journey, new_id: str | None, fingerprint: str | None
    ) -> dict[str, str]:
        headers = {}
        if new_id is not None:
            headers["Privity-New-Id"] = new_id
        if journey.idempotency_key is not None:
            # A client may have made it of a name or an address: services get a stand-in for it.
            key = f"idempotency key|{journey.idempotency_key}".encode()
            headers["Idempotency-Key"] = self._vault.fingerprint(key)
        if fingerprint is not None:
            headers["Privity-Fingerprint"] = fingerprint
        return headers

    async def _refuse(self, journey: Journey, subject: str | None) -> NoReturn:
        await self._audit.record([journey.refusal("foreign_subject", subject=subject)])
        raise NotFound(NOT_YOURS)


def _about(journey: Journey, carry: Carry, found: dict[str, Any]) -> tuple[str | None, str]:
    """Whom an object to carry is about, and what its keys belong to."""
    schema = journey.contracts.offer.reading_route(carry.service, carry.path).answer or {}
    kind, _, field = schema.get("x-privity-scope", "").partition("/")
    return found.get(schema.get("x-privity-subject", "")), f"{kind}/{found.get(field)}"


def _carry_access(journey: Journey, carry: Carry, found: dict[str, Any]) -> Access:
    subject, scope = _about(journey, carry, found)
    fields = tuple(
        FieldAccess(f"{carry.name}.{name}", category, "carry")
        for name, category in carry.fields.items()
        if category is not None
    )
    return journey.access("carry", subject=subject, scope=scope, fields=fields)


def _place(journey: Journey, new_id: str | None, carried: set[str | None]) -> _Place:
    """Whose the sealed values are, and what their keys belong to."""
    kind, _, name = (journey.route.scope or "").partition("/")
    if name == "new" and new_id is not None:
        subject = new_id if kind == "account" else _whose(journey, carried)
        return _Place(subject, f"{kind}/{new_id}")
    subject = _whose(journey, carried)
    if name == "caller":
        return _Place(subject, f"{kind}/{subject}")
    return _Place(subject, f"{kind}/{journey.parameters[name.strip('{}')]}")


def _whose(journey: Journey, carried: set[str | None]) -> str:
    """Customers give data of their own; staff write about the customer whom their work concerns,
    or whom the thing concerns that they name and that is their work."""
    caller = journey.caller
    subject = caller.subject if caller.kind == "customer" else caller.work_subject
    if subject is None and caller.kind == "staff" and len(carried) == 1:
        subject = min(carried, key=str)
    if subject is None:
        raise Malformed("it cannot be told whose data this is")
    return subject


def _within_work(journey: Journey, place: _Place) -> bool:
    """Staff write within their work; what is new there has no place of its own yet."""
    new = (journey.route.scope or "").endswith("/new")
    return new or journey.entitled(subject=place.subject, scope=place.scope)


def _search(journey: Journey, reading: Reading) -> Access:
    sought = tuple(FieldAccess(each.name, each.category, "look_up") for each in reading.lookups)
    return journey.access("search", subject=None, scope=None, fields=sought)


def _collection(journey: Journey, reading: Reading, place: _Place) -> Access:
    fields = tuple(
        FieldAccess(slot.path.strip("/").replace("/", "."), slot.category, "seal")
        for slot in reading.slots
    )
    return journey.access("collect", subject=place.subject, scope=place.scope, fields=fields)

"""The gateway's path: a request finds its service, and the answer its way back.

Pure ASGI: this is the path that every read of the shop takes.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import parse_qsl

import orjson

from privacy_gateway.api.arrival import Arrival, MethodNotAllowed
from privacy_gateway.api.deadlines import Deadlines
from privacy_gateway.clients.services import Services, UpstreamAnswer
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.contracts.table import Match
from privacy_gateway.domain.intake.card_numbers import (
    CardNumberRefused,
    query_holds_card_number,
)
from privacy_gateway.domain.intake.strict_json import parse
from privacy_gateway.domain.passage.contracts import ContractsInForce
from privacy_gateway.domain.passage.inbound import NOT_YOURS, Inbound
from privacy_gateway.domain.passage.journey import Journey
from privacy_gateway.domain.passage.outbound import Outbound
from privacy_gateway.domain.passage.publications import Publications
from privacy_gateway.domain.tokens.caller import Caller
from privity_contracts import ids
from privity_rest import (
    Malformed,
    NotAllowed,
    NotFound,
    Refusal,
    Unauthenticated,
    Unavailable,
)
from privity_rest.problems import MEDIA_TYPE, pointer, safe_name

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

READ_SECONDS = 1.8  # an answer, or an honest 503, within two seconds
WRITE_SECONDS = 20.0
MOST_PARAMETERS = 32


class PurposeNotAllowed(NotAllowed):
    code = "purpose_not_allowed"
    title = "This purpose does not open this door"


class TookTooLong(Unavailable):
    code = "took_too_long"


class Sessions(Protocol):
    """What answers about sessions need from the tokens' side."""

    def customer_session(self, *, subject: str, session: str) -> dict[str, Any]: ...

    async def end(self, session: str) -> None: ...

    async def end_work(self, work: str) -> None: ...


class Forwarding:
    def __init__(
        self,
        contracts: ContractsInForce,
        *,
        inbound: Inbound,
        outbound: Outbound,
        services: Services,
        audit: AuditLog,
        sessions: Sessions,
    ) -> None:
        self._contracts = contracts
        self._inbound = inbound
        self._outbound = outbound
        self._services = services
        self._publications = Publications(services)
        self._audit = audit
        self._sessions = sessions
        self._reading, self._writing = Deadlines(READ_SECONDS), Deadlines(WRITE_SECONDS)

    def serves_visitors(self, match: Match) -> bool:
        policy = self._contracts.current.policy
        return any(policy.may("visitor", purpose) for purpose in match.route.purposes)

    def find(self, method: str, path: str) -> Match | None:
        """Raises MethodNotAllowed for a path that has other methods only."""
        found = self._contracts.offer.table.find(method, path)
        if isinstance(found, set):
            raise MethodNotAllowed(f"offered here: {', '.join(sorted(found))}")
        return found

    async def answer(self, match: Match, scope: Scope, arrival: Arrival, send: Send) -> None:
        """Raises Refusal; nothing of the answer has been sent then."""
        journey = Journey(
            caller=scope["privity.caller"],
            route=match.route,
            parameters=match.parameters,
            request_id=arrival.request_id,
            contracts=self._contracts.current,
            idempotency_key=_idempotency_key(arrival.headers),
        )
        deadlines = self._reading if match.route.method == "GET" else self._writing
        try:
            with deadlines.begin():
                status, content = await self._exchange(journey, scope, arrival.body)
        except TimeoutError:
            raise TookTooLong("no answer in time") from None
        await _send(send, status, content)

    async def _exchange(
        self, journey: Journey, scope: Scope, body: bytes
    ) -> tuple[int, bytes | None]:
        journey = await self._admitted(journey)
        query = self._query(journey, scope)
        if journey.route.published is not None and not query:
            row = await self._publications.row(journey)
            if row is not None:
                return 200, orjson.dumps(await self._outbound.give(journey, row))
        parsed = parse(body) if body else None
        outgoing = await self._inbound.admit(journey, parsed)
        route = journey.route
        if route.answers == "session_end" and journey.caller.session is not None:
            await self._sessions.end(journey.caller.session)
        answer = await self._services.send(
            route.service,
            route.method,
            f"{scope['path']}?{query}" if query else scope["path"],
            headers=journey.caller.headers(journey.request_id) | outgoing.headers,
            body=outgoing.body,
            timeout_seconds=None,
        )
        for ended in answer.headers.getall("Privity-Revoke", ()):
            await self._revoke(journey, ended)
        return await self._given(journey, answer)

    async def _revoke(self, journey: Journey, ended: str) -> None:
        """Before the answer: who reads that a case is closed finds its grants ended."""
        work = _CASE.fullmatch(ended) is not None
        if not journey.policy.may_revoke(journey.route.service, work=work):
            return
        if work:
            await self._sessions.end_work(ended)
        elif _SESSION.fullmatch(ended):  # what is ended is kept, so it has to be an id
            await self._sessions.end(ended)

    async def _admitted(self, journey: Journey) -> Journey:
        """The journey with a purpose that this route serves; a refusal is recorded first."""
        caller, route, policy = journey.caller, journey.route, journey.policy
        if journey.contracts.admits(route, role=caller.role, purpose=caller.purpose):
            if caller.kind != "service" or _trusted(journey):
                return journey
        elif caller.kind in {"visitor", "customer"}:
            for purpose in route.purposes:
                if policy.may("visitor", purpose):
                    return replace(journey, caller=_visitor(caller, purpose))
        if caller.kind == "visitor":
            raise Unauthenticated("sign in first")
        await self._audit.record([journey.refusal("purpose_not_allowed")])
        raise PurposeNotAllowed(f"{caller.role} may not use this route for {caller.purpose}")

    def _query(self, journey: Journey, scope: Scope) -> str:
        """The query string, checked; it goes on as it came."""
        path_checks, query_checks = self._contracts.offer.parameters(journey.route)
        for name, text in journey.parameters.items():
            check = path_checks.get(name)
            # A malformed id and an unknown one look the same.
            if check is None or check(text) is not None:
                raise NotFound("there is no such thing")
        raw: bytes = scope.get("query_string", b"")
        if not raw:
            return ""
        if query_holds_card_number(raw):
            raise CardNumberRefused("a card number in a query")
        if raw.count(b"&") >= MOST_PARAMETERS:
            raise Malformed("the query cannot be read", errors=[("", "too_many_parameters")])
        pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True)
        errors, seen = [], set()
        for name, text in pairs:
            check = query_checks.get(name)
            code = "unknown_parameter" if check is None else check(text)
            if name in seen:
                code = "repeated_parameter"
            seen.add(name)
            if code is not None:
                errors.append((f"?{safe_name(name)}", code))
        if errors or not pairs:
            raise Malformed("the query cannot be read", errors=errors)
        return raw.decode("latin-1")

    async def _given(self, journey: Journey, answer: UpstreamAnswer) -> tuple[int, bytes | None]:
        if answer.status == 404 and "{" in (journey.route.scope or ""):
            # Somebody else's is refused before the service hears of it: nothing looks the same.
            raise NotFound(NOT_YOURS)
        if answer.status >= 400:
            raise relayed(answer)
        if answer.status == 204 or not answer.body:
            return answer.status, None
        content = orjson.loads(answer.body)
        built = await self._outbound.give(journey, content)
        if journey.route.answers == "session":
            built |= self._sessions.customer_session(
                subject=content["account_id"], session=content["session_id"]
            )
        return answer.status, orjson.dumps(built)


def _trusted(journey: Journey) -> bool:
    name = journey.caller.actor.removeprefix("svc_")
    return journey.route.method == "GET" and journey.policy.trusts(name, "read", journey.route.path)


def _visitor(caller: Caller, purpose: str) -> Caller:
    """What visitors may do, anyone may; whoever does it is not looked at."""
    return replace(
        caller,
        kind="visitor",
        actor="visitor",
        role="visitor",
        purpose=purpose,
        subject=None,
        session=None,
    )


_CASE = re.compile(rf"case/cas_{ids.BODY}")
_SESSION = re.compile(rf"ses_{ids.BODY}")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


class RelayedRefusal(Refusal):
    """What a service's own problem document may say: codes, and which members they are about.

    Its prose stays inside. A service with a bug in it may quote what it was sent, a password too.
    """

    def __init__(self, status: int, members: Mapping[str, Any]) -> None:
        listed = members.get("errors")
        errors = [
            (_member(error.get("field")), _code(error.get("code"), "invalid"))
            for error in (listed if isinstance(listed, list) else ())
            if isinstance(error, dict)
        ]
        super().__init__(errors=errors)
        self.status = status
        self.code = _code(members.get("code"), "refused")
        self.title = self.code.replace("_", " ").capitalize()


def _code(said: Any, otherwise: str) -> str:
    return said if isinstance(said, str) and _CODE.fullmatch(said) else otherwise


def _member(said: Any) -> str:
    """A pointer of which only names remain that a program chose."""
    names = str(said).split("/")[1:]
    return pointer(tuple(int(n) if n.isdecimal() and len(n) < 4 else n for n in names))


def relayed(answer: UpstreamAnswer) -> Refusal:
    members: Any = None
    if answer.headers.get("Content-Type", "").startswith(MEDIA_TYPE):
        with suppress(orjson.JSONDecodeError):
            members = orjson.loads(answer.body)
    if not isinstance(members, dict) or (answer.status >= 500 and answer.status != 503):
        return Unavailable("the service is broken")
    refusal = RelayedRefusal(answer.status, members)
    retry = answer.headers.get("Retry-After", "")
    refusal.retry_after = int(retry) if retry.isdigit() else None
    return refusal


def _idempotency_key(headers: Mapping[bytes, bytes]) -> str | None:
    value = headers.get(b"idempotency-key")
    if value is None:
        return None
    text = value.decode("latin-1")
    if not 8 <= len(text) <= 255 or not text.isascii() or not text.isprintable():
        raise Malformed("an Idempotency-Key has 8 to 255 printable ASCII characters")
    return text


async def _send(send: Send, status: int, content: bytes | None) -> None:
    headers = [] if content is None else [(b"content-type", b"application/json")]
    if content is not None:
        headers.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content or b""})

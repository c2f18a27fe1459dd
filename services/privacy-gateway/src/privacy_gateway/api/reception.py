"""Behind the edge: who is asking, and who answers them: a service, or the gateway itself."""

import time
from functools import partial
from typing import Any

from privacy_gateway.api.arrival import SCOPE_KEY, Arrival
from privacy_gateway.api.edge import Application, Receive, Send
from privacy_gateway.api.forwarding import Forwarding
from privacy_gateway.domain.tokens.authenticator import Authenticator
from privacy_gateway.domain.tokens.caller import VISITOR, Caller
from privity_rest import Unauthenticated


class Reception:
    def __init__(
        self, own: Application, *, authenticator: Authenticator, forwarding: Forwarding
    ) -> None:
        self._own = own
        self._authenticator = authenticator
        self._forwarding = forwarding

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Raises Refusal before anything of an answer was sent; the edge turns it into one."""
        if scope["type"] != "http":
            await self._own(scope, receive, send)
            return
        arrival: Arrival = scope[SCOPE_KEY]
        match = self._forwarding.find(scope["method"], scope["path"])
        try:
            caller = self._authenticate(arrival, time.time())
        except Unauthenticated:
            # An app renews its session with the old token still in its header.
            if match is None or not self._forwarding.serves_visitors(match):
                raise
            caller = VISITOR
        scope["privity.caller"] = caller
        arrival.actor = caller.actor
        if match is None:
            # For answers that last: whoever gives them asks again whether the token still holds.
            scope["privity.authenticate"] = partial(self._authenticate, arrival)
            await self._own(scope, receive, send)
            return
        arrival.route = match.route.path
        await self._forwarding.answer(match, scope, arrival, send)

    def _authenticate(self, arrival: Arrival, now: float) -> Caller:
        return self._authenticator.authenticate(arrival.headers, now=now)

"""Whether people gave a consent and have not taken it back: asked each time, kept not at all."""

import asyncio
from collections.abc import Collection

import orjson

from privacy_gateway.clients.services import Services
from privacy_gateway.domain.contracts.gaps import CONSENTS
from privacy_gateway.domain.tokens import caller
from privity_rest import Unavailable


class ConsentUnknown(Unavailable):
    code = "consent_unknown"
    title = "Whether there is consent cannot be told right now"


class Consents:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def missing(
        self, subjects: Collection[str], consents: Collection[str], *, request_id: str
    ) -> frozenset[str]:
        """Those who lack one of these consents now. Raises Unavailable when it cannot be told."""
        known = sorted(set(subjects))
        states = await asyncio.gather(*(self._state(each, request_id) for each in known))
        return frozenset(
            subject
            for subject, given in zip(known, states, strict=True)
            if not given.issuperset(consents)
        )

    async def _state(self, subject: str, request_id: str) -> set[str]:
        headers = caller.service("privacy-gateway").headers(request_id)
        path = CONSENTS.format(subject_id=subject)
        answer = await self._services.send("customers", "GET", path, headers=headers)
        if answer.status == 404:
            return set()  # nobody there has consented to anything
        if answer.status != 200:
            raise ConsentUnknown(subject)
        found = orjson.loads(answer.body)
        if not isinstance(found, dict):
            raise ConsentUnknown(subject)
        # Exactly true: anything else that a service says is no consent.
        return {
            name
            for name, state in found.items()
            if isinstance(state, dict) and state.get("given") is True
        }

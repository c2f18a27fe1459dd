"""Asking every service what it holds of a person, and telling it to drop what is gone."""

import asyncio
from collections.abc import Collection, Sequence

from pydantic import BaseModel

from privacy_gateway.clients.own_requests import ask
from privacy_gateway.clients.services import Services
from privity_contracts.holdings import Drop, Dropped, Holding, Holdings, Person
from privity_rest import Unavailable


class HoldingsUnknown(Unavailable):
    code = "holdings_unknown"
    title = "What is held cannot be told right now"


class HoldingsOfAll:
    """What the services hold, all of them or nothing."""

    def __init__(self, services: Services, names: Sequence[str]) -> None:
        self._services = services
        self._names = tuple(names)

    async def of(self, subject_id: str) -> list[Holding]:
        """Raises Unavailable unless every service has answered."""
        asked = Person(subject_id=subject_id)
        answers = await asyncio.gather(
            *(self._post(name, "/v1/holdings", asked) for name in self._names)
        )
        return [item for text in answers for item in Holdings.model_validate_json(text).items]

    async def drop(self, subject_id: str, scope: str, classes: Collection[str]) -> int:
        """How many rows went. Asking again does no harm. Raises Unavailable."""
        told = Drop(subject_id=subject_id, scope=scope, classes=sorted(classes))
        answers = await asyncio.gather(
            *(self._post(name, "/v1/holdings/drops", told) for name in self._names)
        )
        return sum(Dropped.model_validate_json(text).rows for text in answers)

    async def _post(self, service: str, path: str, asked: BaseModel) -> bytes:
        return await ask(self._services, service, path, asked, otherwise=HoldingsUnknown)

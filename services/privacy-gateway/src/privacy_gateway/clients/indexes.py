"""Blind indexes in the services: which are to be made anew, and putting them in their place."""

from collections.abc import Sequence

from pydantic import BaseModel

from privacy_gateway.clients.own_requests import ask
from privacy_gateway.clients.services import Services
from privity_contracts.indexes import (
    MOST,
    Page,
    Removed,
    Renewal,
    Renewals,
    Renewed,
    Retired,
    Sought,
    Standing,
)
from privity_rest import Unavailable


class IndexesUnknown(Unavailable):
    code = "indexes_unknown"
    title = "What is indexed cannot be told right now"


class Indexes:
    """Every method raises Unavailable."""

    def __init__(self, services: Services, names: Sequence[str]) -> None:
        self._services = services
        self.names = tuple(names)

    async def outdated(self, service: str, generation: int, *, after: str, limit: int) -> Page:
        asked = Sought(generation=generation, after=after, limit=min(limit, MOST))
        return Page.model_validate_json(await self._post(service, "/v1/indexes", asked))

    async def renew(self, service: str, renewals: Sequence[Renewal]) -> Renewed:
        told = Renewals(items=list(renewals))
        answer = await self._post(service, "/v1/indexes/renewals", told)
        return Renewed.model_validate_json(answer)

    async def retire(self, service: str, generation: int) -> int:
        """How many forms of other generations went; asked until it is none."""
        told = Retired(generation=generation)
        answer = await self._post(service, "/v1/indexes/retirements", told)
        return Removed.model_validate_json(answer).removed

    async def standing(self, generation: int) -> Standing:
        """Of all services together."""
        asked = Sought(generation=generation)
        found = [
            Standing.model_validate_json(await self._post(name, "/v1/indexes/standing", asked))
            for name in self.names
        ]
        return Standing(
            values=sum(each.values for each in found),
            outdated=sum(each.outdated for each in found),
            earlier=sum(each.earlier for each in found),
        )

    async def _post(self, service: str, path: str, asked: BaseModel) -> bytes:
        return await ask(
            self._services, service, path, asked, otherwise=IndexesUnknown, timeout_seconds=30
        )

"""What a customer asks for of their own, read where its service publishes it.

A published row is what the service would answer this customer. Everybody else, and everything that
is not found, goes to the service: what to say then is its decision alone.
"""

from privacy_gateway.clients.published import Published, Row
from privacy_gateway.clients.services import Services
from privacy_gateway.domain.contracts.document import Route
from privacy_gateway.domain.contracts.publication import view_of
from privacy_gateway.domain.passage.journey import Journey


class Publications:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._read: dict[Route, Published | None] = {}

    async def row(self, journey: Journey) -> Row | None:
        """Nothing when the service is to be asked."""
        route, caller = journey.route, journey.caller
        try:
            published = self._read[route]
        except KeyError:
            view = view_of(route)
            published = None if view is None else self._services.published(route.service, view)
            self._read[route] = published
        if published is None or caller.kind != "customer" or caller.subject is None:
            return None
        (key,) = journey.parameters.values()
        return await published.row(key, subject=caller.subject)

"""Which partner delivers a shipment: the one that the order asks for, or its country's."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from logistics_adapter.models import CarrierRoute
from privity_rest import NotFound

DEFAULT = "default"


class RouteNotFound(NotFound):
    code = "carrier_route_not_found"


async def carrier_for(tx: AsyncSession, country: str | None) -> str | None:
    """Nobody, when neither the country nor the default has a partner."""
    routes = await tx.scalars(
        select(CarrierRoute).where(CarrierRoute.country.in_([country or DEFAULT, DEFAULT]))
    )
    found = {route.country: route.recipient_id for route in routes}
    return found.get(country or DEFAULT, found.get(DEFAULT))


async def listed(tx: AsyncSession) -> Sequence[CarrierRoute]:
    return (await tx.scalars(select(CarrierRoute).order_by(CarrierRoute.country))).all()


async def set_route(
    tx: AsyncSession, country: str, *, recipient_id: str, actor: str, now: datetime
) -> None:
    """Holds for deliveries not begun yet; those under way stay with their partner."""
    values = {"recipient_id": recipient_id, "changed_by": actor, "changed_at": now}
    await tx.execute(
        insert(CarrierRoute)
        .values(country=country, **values)
        .on_conflict_do_update(index_elements=[CarrierRoute.country], set_=values)
    )


async def remove_route(tx: AsyncSession, country: str) -> None:
    """Raises RouteNotFound."""
    removed = await tx.scalar(
        delete(CarrierRoute).where(CarrierRoute.country == country).returning(CarrierRoute.country)
    )
    if removed is None:
        raise RouteNotFound(f"no carrier route for {country}")

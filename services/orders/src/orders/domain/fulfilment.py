"""The shop's own steps: an order is checked, then packed. Each step twice is the step once."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from orders.domain import states
from orders.domain.announcement import announce
from orders.domain.states import Actor, Party
from orders.models import Order, State

_LATER = (State.HANDED_OVER, State.IN_TRANSIT, State.OUT_FOR_DELIVERY, State.DELIVERED)


def confirm(tx: AsyncSession, order: Order, *, actor: Actor, now: datetime) -> None:
    """Raises WrongState."""
    if order.state in (State.CONFIRMED, State.PACKED, *_LATER):
        return
    states.move(tx, order, State.CONFIRMED, by=Party.VERIFIER, actor=actor, now=now)


def pack(tx: AsyncSession, order: Order, *, actor: Actor, now: datetime) -> None:
    """Raises WrongState."""
    if order.state in (State.PACKED, *_LATER):
        return
    states.move(tx, order, State.PACKED, by=Party.PACKER, actor=actor, now=now)
    announce(tx, "order.packed", order, now=now)

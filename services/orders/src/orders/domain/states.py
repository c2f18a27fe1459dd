"""The life of an order: which state follows which, and who may say so. There is no way back."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncSession

from orders.models import Order, OrderChange, State
from privity_rest import Conflict


class WrongState(Conflict):
    code = "wrong_state"


class Party(StrEnum):
    """In what capacity somebody changes an order."""

    CUSTOMER = "customer"
    PAYMENT = "payment"  # what the provider said
    VERIFIER = "verifier"
    PACKER = "packer"
    SUPPORT = "support"
    CARRIER = "carrier"  # by way of the logistics adapter
    CLOCK = "clock"  # nobody paid in time


class Note(StrEnum):
    """What happens on the way without changing where the order stands."""

    SHIPMENT_BLOCKED = "shipment_blocked"
    DELIVERY_FAILED = "delivery_failed"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Actor:
    id: str
    role: str


SHOP_ITSELF = Actor("svc_orders", "service")


@dataclass(frozen=True, slots=True)
class Move:
    after: frozenset[State]
    by: frozenset[Party]


_PACKED_ON = (State.PACKED, State.HANDED_OVER, State.IN_TRANSIT, State.OUT_FOR_DELIVERY)


def _move(*after: State, by: set[Party]) -> Move:
    return Move(frozenset(after), frozenset(by))


# A carrier's messages overtake each other, so a later one counts without those before it.
MOVES: dict[State, Move] = {
    State.PAID: _move(State.PLACED, by={Party.PAYMENT}),
    State.CONFIRMED: _move(State.PAID, by={Party.VERIFIER}),
    State.PACKED: _move(State.CONFIRMED, by={Party.PACKER}),
    State.HANDED_OVER: _move(*_PACKED_ON[:1], by={Party.CARRIER}),
    State.IN_TRANSIT: _move(*_PACKED_ON[:2], by={Party.CARRIER}),
    State.OUT_FOR_DELIVERY: _move(*_PACKED_ON[:3], by={Party.CARRIER}),
    State.DELIVERED: _move(*_PACKED_ON, by={Party.CARRIER}),
    State.CANCELLED: _move(
        State.PLACED,
        State.PAID,
        State.CONFIRMED,
        by={Party.CUSTOMER, Party.SUPPORT, Party.CLOCK},
    ),
}


def may_move(before: State, to: State, *, by: Party) -> bool:
    move = MOVES.get(to)
    return move is not None and before in move.after and by in move.by


def move(
    tx: AsyncSession, order: Order, to: State, *, by: Party, actor: Actor, now: datetime
) -> None:
    """The order's row is locked by the caller. Raises WrongState."""
    if not may_move(order.state, to, by=by):
        raise WrongState(f"order {order.id} is {order.state}")
    order.state = to
    order.updated_at = now
    remember(tx, order.id, to, actor=actor, now=now)


def remember(
    tx: AsyncSession, order_id: str, what: State | Note, *, actor: Actor, now: datetime
) -> None:
    tx.add(OrderChange(order_id=order_id, what=what, actor=actor.id, role=actor.role, at=now))

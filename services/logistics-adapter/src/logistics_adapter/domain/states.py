"""The life of a shipment: which state may follow which. Reports come late, twice and reordered."""

from datetime import datetime

from logistics_adapter.models import Shipment, State

# What a partner can report. Higher outranks lower: news of an earlier step changes nothing.
RANKS = {
    State.HANDED_OVER: 1,
    State.IN_TRANSIT: 2,
    State.OUT_FOR_DELIVERY: 3,
    State.FAILED: 4,
    State.DELIVERED: 5,
    State.RETURNED: 5,
}
# With the partner or not yet, and waiting to be given to one.
_WAITING = {State.ANNOUNCED, State.BLOCKED}
_AGAIN = {State.IN_TRANSIT, State.OUT_FOR_DELIVERY}


def may_become(before: State, to: State, *, since: datetime, occurred_at: datetime) -> bool:
    """Whether a partner's report moves the shipment on. `since`: when it came to be `before`."""
    if to not in RANKS or before is State.CANCELLED:
        return False
    if before in _WAITING:
        return True
    if before is State.FAILED and to in _AGAIN:
        return occurred_at > since  # the next try, and not old news of the last one
    if before in _AGAIN and to in {*_AGAIN, State.FAILED} and occurred_at < since:
        return False  # of the try before this one
    return RANKS[to] > RANKS[before]


def become(shipment: Shipment, to: State, *, since: datetime, reason: str | None = None) -> None:
    """`reason`: why it is blocked."""
    shipment.state = to
    shipment.since = since
    shipment.blocked_reason = reason

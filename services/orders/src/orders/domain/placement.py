"""Placing an order: what it costs, what it takes out of stock, and that it happens once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from orders.clients.payment_provider import Charge
from orders.domain import idempotency, payment, sites, states, stock, tax
from orders.domain.states import Actor
from orders.models import Delivery, Order, OrderLine, Product, State, order_numbers
from privity_jobs import enqueue
from privity_rest import Unprocessable

EXPIRE = "expire_order"
# What the largest card networks and Stripe take in one payment.
MOST = 99_999_999
_PRIME = 8_999_999_993
_STEP = 2_654_435_769


class DuplicateLines(Unprocessable):
    code, title = "duplicate_lines", "A product has one line; its quantity says how many"


class MixedCurrencies(Unprocessable):
    code, title = "mixed_currencies", "All lines of an order have one currency"


class TooExpensive(Unprocessable):
    code, title = "too_expensive", "An order cannot cost this much"


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a customer has to pay, and when a payment that nobody heard of is asked about."""

    pay_within: timedelta
    recover_after: timedelta


@dataclass(frozen=True, slots=True)
class Placed:
    """`charge` is still to be made; absent when the order had been placed before."""

    order_id: str
    charge: Charge | None


async def place(
    tx: AsyncSession,
    request: idempotency.Request,
    *,
    order_id: str,
    wanted: Sequence[tuple[str, int]],
    delivery: Delivery,
    token: str,
    actor: Actor,
    terms: Terms,
    now: datetime,
) -> Placed:
    """Raises KeyReused, DuplicateLines, NotSold, OutOfStock, MixedCurrencies, TooExpensive."""
    earlier = await idempotency.claim(tx, request, resource=order_id, now=now)
    if earlier is not None:
        return Placed(earlier, charge=None)
    quantities = _quantities(wanted)
    products = await stock.take(tx, quantities)
    order = _order(products, quantities, country=delivery.country)
    order.id, order.subject_id, order.number = order_id, request.subject, await _number(tx)
    order.placed_at = order.updated_at = now
    delivery.order_id = order_id
    tx.add(order)
    await tx.flush()
    tx.add(delivery)
    states.remember(tx, order_id, State.PLACED, actor=actor, now=now)
    await enqueue(tx, EXPIRE, {"order_id": order_id}, key=order_id, run_at=now + terms.pay_within)
    charge = await payment.begin(
        tx,
        order,
        payment_id=payment.new_id(now),
        token=token,
        now=now,
        recover_after=terms.recover_after,
    )
    return Placed(order_id, charge)


def _quantities(wanted: Sequence[tuple[str, int]]) -> dict[str, int]:
    quantities = dict(wanted)
    if len(quantities) == len(wanted):
        return quantities
    places = {product_id: place for place, (product_id, _) in reversed(list(enumerate(wanted)))}
    raise DuplicateLines(
        errors=[
            (f"/lines/{place}/product_id", "duplicate")
            for place, (product_id, _) in enumerate(wanted)
            if places[product_id] != place
        ]
    )


def _order(
    products: Mapping[str, Product], quantities: Mapping[str, int], *, country: str
) -> Order:
    lines = [
        OrderLine(
            position=position,
            product_id=product_id,
            sku=products[product_id].sku,
            title=products[product_id].title,
            quantity=quantity,
            unit_price=products[product_id].price,
        )
        for position, (product_id, quantity) in enumerate(quantities.items(), start=1)
    ]
    currencies = {product.currency for product in products.values()}
    if len(currencies) > 1:
        raise MixedCurrencies
    total = sum(line.unit_price * line.quantity for line in lines)
    if total > MOST:
        raise TooExpensive
    rate = tax.rate(country)
    return Order(
        site=sites.site_for(country),
        country=country,
        state=State.PLACED,
        currency=currencies.pop(),
        total=total,
        tax_rate=rate,
        tax=tax.contained(total, rate=rate),
        lines=lines,
        payments=[],
    )


async def _number(tx: AsyncSession) -> str:
    """Short, for people to say. Ten digits: too few for a card number, whatever they add up to."""
    count = await tx.scalar(order_numbers.next_value().select())
    # Scattered, so that two orders of a customer do not tell how many came between: multiplying
    # modulo a prime meets every number once.
    return f"P-{1_000_000_000 + int(count or 0) * _STEP % _PRIME}"

"""What an order looks like from outside, and what kind of data each part of it is."""

from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from orders.models import Order, OrderChange, Outcome, Reason, State
from privity_contracts import OPERATIONAL, Category, Contract, Sealed
from privity_contracts.ids import OrderId, PaymentId, SubjectId

PURCHASE = Category("user.behavior.purchase_history")
PAYMENT = Category("user.payment")
COUNTRY = Category("user.contact.address.country")

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$"), COUNTRY]
Site = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$"), OPERATIONAL]
Amount = Annotated[int, Field(ge=0), PURCHASE]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), PURCHASE]
Moment = Annotated[AwareDatetime, PURCHASE]
Number = Annotated[str, StringConstraints(pattern=r"^P-[0-9]{10}$"), OPERATIONAL]
"""What a customer reads out: it names an order and tells nothing."""


class LineView(Contract):
    # Operational in the catalogue; beside a person's name it says what they bought.
    product_id: Annotated[str, PURCHASE]
    sku: Annotated[str, PURCHASE]
    title: Annotated[str, PURCHASE]
    quantity: Annotated[int, PURCHASE]
    unit_price: Amount


class TaxLine(Contract):
    """The part of the total that is tax."""

    country: Country
    rate_basis_points: Annotated[int, PURCHASE]
    amount: Amount


class PaymentView(Contract):
    id: PaymentId
    outcome: Annotated[Outcome, PAYMENT]
    reason: Annotated[Reason | None, PAYMENT]
    brand: Annotated[str | None, PAYMENT]
    last4: Annotated[str | None, PAYMENT]
    challenge_url: Annotated[str | None, PAYMENT]
    created_at: Annotated[AwareDatetime, PAYMENT]


class OrderView(Contract, subject="subject_id", scope="order/id"):
    id: OrderId
    number: Number
    subject_id: SubjectId
    state: Annotated[State, PURCHASE]
    site: Site
    country: Country
    currency: Currency
    total: Amount
    tax: TaxLine
    lines: list[LineView]
    payments: list[PaymentView]
    placed_at: Moment
    updated_at: Moment


class OrderPage(Contract):
    items: list[OrderView]
    next_cursor: OrderId | None


class ChangeView(Contract):
    # A state, or something that happened on the way.
    what: Annotated[str, PURCHASE]
    at: Moment
    role: Annotated[str, OPERATIONAL]
    actor: Annotated[str | None, Category("user.unique_id")]


class HistoryView(Contract, subject="subject_id", scope="order/order_id"):
    order_id: OrderId
    subject_id: SubjectId
    items: list[ChangeView]


class DeliveryView(Contract, subject="subject_id", scope="order/order_id"):
    order_id: OrderId
    subject_id: SubjectId
    recipient: Annotated[Sealed, Category("user.name")]
    phone: Annotated[Sealed, Category("user.contact.phone_number")]
    line1: Annotated[Sealed, Category("user.contact.address.street")]
    line2: Annotated[Sealed, Category("user.contact.address.street")] | None
    city: Annotated[Sealed, Category("user.contact.address.city")]
    region: Annotated[Sealed, Category("user.contact.address.state")] | None
    postal_code: Annotated[Sealed, Category("user.contact.address.postal_code")] | None
    country: Country


def order_view(order: Order) -> OrderView:
    return OrderView(
        id=order.id,
        number=order.number,
        subject_id=order.subject_id,
        state=order.state,
        site=order.site,
        country=order.country,
        currency=order.currency,
        total=order.total,
        tax=TaxLine(country=order.country, rate_basis_points=order.tax_rate, amount=order.tax),
        lines=[LineView.model_validate(line) for line in order.lines],
        payments=[PaymentView.model_validate(payment) for payment in order.payments],
        placed_at=order.placed_at,
        updated_at=order.updated_at,
    )


def history_view(
    order: Order, changes: list[OrderChange], *, reader_is_customer: bool
) -> HistoryView:
    """Customers learn in what role somebody acted, not which member of the staff it was."""
    return HistoryView(
        order_id=order.id,
        subject_id=order.subject_id,
        items=[
            ChangeView(
                what=change.what,
                at=change.at,
                role=change.role,
                actor=(
                    None
                    if reader_is_customer and change.actor != order.subject_id
                    else change.actor
                ),
            )
            for change in changes
        ],
    )

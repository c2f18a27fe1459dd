"""The catalogue."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Query, Response
from pydantic import Field, StringConstraints, model_validator

from orders.api.held import Now
from orders.api.staff import Shopkeeper
from orders.domain import catalogue
from privity_contracts import OPERATIONAL, Contract, route
from privity_contracts.ids import ProductId
from privity_database import Transaction
from privity_rest import AnyCaller, Caller

router = APIRouter(prefix="/v1/products")
_READERS = ["catalogue", "self_service", "catalogue_management"]

# The shop's own text about its goods, typed by staff who manage the catalogue and shown to every
# visitor: about no person, so not sealed. So that it stays that way, an e-mail address, markup or
# a number as long as a telephone's does not fit.
_TEXT = r"^([0-9]{0,6}[^0-9@<>\x00-\x1f\x7f])*[0-9]{0,6}$"
Title = Annotated[str, StringConstraints(pattern=_TEXT, min_length=1, max_length=120), OPERATIONAL]
Description = Annotated[str, StringConstraints(pattern=_TEXT, max_length=1000), OPERATIONAL]
Sku = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9-]{0,39}$"), OPERATIONAL]
ProductCategory = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$"), OPERATIONAL]
Price = Annotated[int, Field(ge=1, le=10_000_000), OPERATIONAL]
"""In minor units of its currency, tax included."""
Stock = Annotated[int, Field(ge=0, le=1_000_000), OPERATIONAL]
Currency = Annotated[
    Literal["CHF", "CZK", "DKK", "EUR", "GBP", "JPY", "NOK", "PLN", "SEK", "USD"], OPERATIONAL
]
Active = Annotated[bool, OPERATIONAL]


class ProductOffer(Contract):
    sku: Sku
    title: Title
    description: Description
    category: ProductCategory
    price: Price
    currency: Currency
    stock: Stock
    active: Active = True


class ProductChange(Contract):
    price: Price | None = None
    stock: Stock | None = None
    active: Active | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.price is None and self.stock is None and self.active is None:
            raise ValueError("nothing to change")
        return self


class ProductView(Contract):
    id: ProductId
    sku: Sku
    title: Title
    description: Description
    category: ProductCategory
    price: Price
    currency: Currency
    stock: Stock
    active: Active


class ProductPage(Contract):
    items: list[ProductView]
    next_cursor: ProductId | None


@router.get("", response_model=ProductPage, openapi_extra=route(purposes=_READERS))
async def list_products(
    tx: Transaction,
    caller: AnyCaller,
    category: Annotated[ProductCategory | None, Query()] = None,
    cursor: Annotated[ProductId | None, Query()] = None,
    limit: Annotated[Annotated[int, Field(ge=1, le=100), OPERATIONAL], Query()] = 20,
) -> object:
    products = await catalogue.page(
        tx, category=category, after=cursor, limit=limit + 1, hidden=_sees_hidden(caller)
    )
    shown = [ProductView.model_validate(product) for product in products[:limit]]
    return ProductPage(items=shown, next_cursor=shown[-1].id if len(products) > limit else None)


@router.get("/{product_id}", response_model=ProductView, openapi_extra=route(purposes=_READERS))
async def read_product(product_id: ProductId, tx: Transaction, caller: AnyCaller) -> object:
    return await catalogue.find(tx, product_id, hidden=_sees_hidden(caller))


@router.post(
    "",
    status_code=201,
    response_model=ProductView,
    openapi_extra=route(purposes=["catalogue_management"]),
)
async def add_product(
    body: ProductOffer, tx: Transaction, caller: Shopkeeper, response: Response, now: Now
) -> object:
    """201 when it is new, 200 when the SKU stands for this product already."""
    offer = catalogue.Offer(**body.model_dump())
    product, new = await catalogue.add(tx, offer, now=now)
    response.status_code = 201 if new else 200
    return product


@router.patch(
    "/{product_id}",
    response_model=ProductView,
    openapi_extra=route(purposes=["catalogue_management"]),
)
async def change_product(
    product_id: ProductId, body: ProductChange, tx: Transaction, caller: Shopkeeper, now: Now
) -> object:
    return await catalogue.change(
        tx, product_id, price=body.price, stock=body.stock, active=body.active, now=now
    )


def _sees_hidden(caller: Caller) -> bool:
    return caller.kind == "staff" and caller.purpose == "catalogue_management"

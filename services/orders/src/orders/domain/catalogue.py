"""What the shop sells."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, true
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from orders.models import Product
from privity_contracts.ids import mint
from privity_rest import Conflict, NotFound


class ProductNotFound(NotFound):
    code = "product_not_found"


class SkuTaken(Conflict):
    code, title = "sku_taken", "This SKU stands for another product"


@dataclass(frozen=True, slots=True)
class Offer:
    sku: str
    title: str
    description: str
    category: str
    price: int
    currency: str
    stock: int
    active: bool


async def add(tx: AsyncSession, offer: Offer, *, now: datetime) -> tuple[Product, bool]:
    """The product and whether it is new. Adding it again changes nothing: price and stock may
    have moved on since, and are changed on purpose only.

    Raises SkuTaken.
    """
    added = await tx.scalar(
        insert(Product)
        .values(
            id=mint("prd", clock=now.timestamp),
            sku=offer.sku,
            title=offer.title,
            description=offer.description,
            category=offer.category,
            price=offer.price,
            currency=offer.currency,
            stock=offer.stock,
            active=offer.active,
            created_at=now,
            updated_at=now,
        )
        .on_conflict_do_nothing(index_elements=[Product.sku])
        .returning(Product.id)
    )
    product = (await tx.scalars(select(Product).where(Product.sku == offer.sku))).one()
    same = ("title", "description", "category", "currency")
    if any(getattr(product, name) != getattr(offer, name) for name in same):
        raise SkuTaken(f"that is {product.id}")
    return product, added is not None


async def find(tx: AsyncSession, product_id: str, *, hidden: bool) -> Product:
    """`hidden`: also what is not sold at present. Raises ProductNotFound."""
    product = await tx.get(Product, product_id)
    if product is None or not (product.active or hidden):
        raise ProductNotFound(f"no product {product_id}")
    return product


async def page(
    tx: AsyncSession, *, category: str | None, after: str | None, limit: int, hidden: bool
) -> Sequence[Product]:
    query = (
        select(Product)
        .where(
            true() if hidden else Product.active,
            Product.category == category if category else true(),
            Product.id > after if after else true(),
        )
        .order_by(Product.id)
        .limit(limit)
    )
    return (await tx.scalars(query)).all()


async def change(
    tx: AsyncSession,
    product_id: str,
    *,
    price: int | None,
    stock: int | None,
    active: bool | None,
    now: datetime,
) -> Product:
    """Orders that stand keep the price they were placed at. Raises ProductNotFound."""
    product = await tx.get(Product, product_id, with_for_update={"key_share": True})
    if product is None:
        raise ProductNotFound(f"no product {product_id}")
    product.price = product.price if price is None else price
    product.stock = product.stock if stock is None else stock
    product.active = product.active if active is None else active
    product.updated_at = now
    return product

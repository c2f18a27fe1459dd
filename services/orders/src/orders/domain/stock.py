"""Reserving goods and giving them back. Rows are locked in the order of their ids: no deadlock."""

from collections.abc import Mapping, Sequence

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from orders.models import OrderLine, Product
from privity_rest import Conflict, Unprocessable

_TAKE = text("""
    UPDATE products SET stock = products.stock - wanted.quantity
    FROM unnest(CAST(:ids AS text[]), CAST(:quantities AS int[])) AS wanted (id, quantity)
    WHERE products.id = wanted.id AND products.stock >= wanted.quantity
    RETURNING products.id
""")
_GIVE_BACK = text("""
    UPDATE products SET stock = products.stock + returned.quantity
    FROM unnest(CAST(:ids AS text[]), CAST(:quantities AS int[])) AS returned (id, quantity)
    WHERE products.id = returned.id
""")


class NotSold(Unprocessable):
    code, title = "not_sold", "Some of this is not sold here"


class OutOfStock(Conflict):
    code, title = "out_of_stock", "There is not enough of this in stock"


async def take(tx: AsyncSession, wanted: Mapping[str, int]) -> dict[str, Product]:
    """Takes the quantities out of stock; `errors` name the lines by their place in `wanted`.

    Raises NotSold, OutOfStock.
    """
    products = {product.id: product for product in await _locked(tx, list(wanted))}
    _require(products, wanted)
    taken = await tx.execute(_TAKE, {"ids": list(wanted), "quantities": list(wanted.values())})
    # The lock makes this certain; the condition in the statement makes it true.
    if len(taken.all()) != len(wanted):
        raise OutOfStock
    return products


async def give_back(tx: AsyncSession, lines: Sequence[OrderLine]) -> None:
    await _locked(tx, [line.product_id for line in lines])
    await tx.execute(
        _GIVE_BACK,
        {
            "ids": [line.product_id for line in lines],
            "quantities": [line.quantity for line in lines],
        },
    )


async def _locked(tx: AsyncSession, ids: list[str]) -> Sequence[Product]:
    # The weaker lock lets other orders' lines refer to the product meanwhile.
    query = select(Product).where(Product.id.in_(ids)).order_by(Product.id)
    return (await tx.scalars(query.with_for_update(key_share=True))).all()


def _require(products: Mapping[str, Product], wanted: Mapping[str, int]) -> None:
    unknown = [
        (f"/lines/{place}/product_id", "not_sold")
        for place, product_id in enumerate(wanted)
        if product_id not in products or not products[product_id].active
    ]
    if unknown:
        raise NotSold(errors=unknown)
    short = [
        (f"/lines/{place}/quantity", "out_of_stock")
        for place, (product_id, quantity) in enumerate(wanted.items())
        if products[product_id].stock < quantity
    ]
    if short:
        raise OutOfStock(errors=short)

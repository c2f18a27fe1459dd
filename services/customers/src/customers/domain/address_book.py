"""A customer's own addresses: twenty at most, each seen and changed by them alone."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from customers.domain import profile
from customers.domain.idempotency import IdempotencyKeyReused
from customers.models import Address
from privity_contracts import Sealed
from privity_contracts.ids import mint
from privity_rest import Conflict, NotFound

MOST = 20


class AddressNotFound(NotFound):
    code = "address_not_found"


class AddressBookFull(Conflict):
    code = "address_book_full"
    title = f"There are {MOST} addresses already; remove one first"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is delivered and to whom, as the gateway sealed it."""

    recipient: Sealed
    phone: Sealed
    line1: Sealed
    line2: Sealed | None
    city: Sealed
    region: Sealed | None
    postal_code: Sealed | None
    country: str


async def add(
    tx: AsyncSession, account_id: str, place: Place, *, idempotency_key: str, fingerprint: str
) -> Address:
    """The same request once more gives the same address, as it is by now."""
    await profile.own(tx, account_id, lock=True)
    # A client chooses the key and may put anything into it: only its hash is kept.
    request_key = hashlib.sha256(idempotency_key.encode()).digest()
    earlier = await tx.scalar(
        select(Address).where(Address.account_id == account_id, Address.request_key == request_key)
    )
    if earlier is not None:
        if earlier.fingerprint != fingerprint:
            raise IdempotencyKeyReused
        return earlier
    held = await tx.scalar(
        select(func.count()).select_from(Address).where(Address.account_id == account_id)
    )
    if held is not None and held >= MOST:
        raise AddressBookFull
    address = Address(
        id=mint("adr"),
        account_id=account_id,
        request_key=request_key,
        fingerprint=fingerprint,
        **_columns(place),
    )
    tx.add(address)
    return address


async def replace(tx: AsyncSession, account_id: str, address_id: str, place: Place) -> Address:
    address = await tx.scalar(
        select(Address)
        .where(Address.id == address_id, Address.account_id == account_id)
        .with_for_update()
    )
    # Someone else's address and no address look the same: a 403 would confirm that it exists.
    if address is None:
        raise AddressNotFound(f"no address {address_id}")
    for column, value in _columns(place).items():
        setattr(address, column, value)
    return address


async def remove(tx: AsyncSession, account_id: str, address_id: str) -> None:
    removed = await tx.scalar(
        delete(Address)
        .where(Address.id == address_id, Address.account_id == account_id)
        .returning(Address.id)
    )
    if removed is None:
        raise AddressNotFound(f"no address {address_id}")


async def everything(tx: AsyncSession, account_id: str) -> Sequence[Address]:
    found = await tx.scalars(
        select(Address).where(Address.account_id == account_id).order_by(Address.id)
    )
    return found.all()


def _columns(place: Place) -> dict[str, Sealed | str | None]:
    return {column.name: getattr(place, column.name) for column in fields(place)}

"""Blind indexes under another key: which are to be made anew, and putting them in their place.

Each place has two columns, for generations that are even and odd: the one that comes is filled
beside the one that goes, row by row, and no unique index is ever without its values.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from customers.domain.confirmation import UNIQUE_VIOLATION
from customers.models import Account, EmailChange
from privity_contracts.indexes import (
    Indexed,
    Page,
    Renewal,
    Renewed,
    Retired,
    Sought,
    Standing,
)


class _Place(NamedTuple):
    """A sealed value, the two columns of its index, and the id of whose row it is."""

    row: Any
    value: Any
    even: Any
    odd: Any

    def slots(self, generation: int) -> tuple[Any, Any]:
        """The column of this generation, and the other one."""
        return (self.odd, self.even) if generation % 2 else (self.even, self.odd)


_accounts, _changes = Account.__table__.c, EmailChange.__table__.c
PLACES: Final = {
    "accounts.email": _Place(
        _accounts.id, _accounts.email, _accounts.email_index_even, _accounts.email_index_odd
    ),
    "accounts.phone": _Place(
        _accounts.id, _accounts.phone, _accounts.phone_index_even, _accounts.phone_index_odd
    ),
    "email_changes.email": _Place(
        _changes.account_id, _changes.email, _changes.email_index_even, _changes.email_index_odd
    ),
}


async def outdated(tx: AsyncSession, sought: Sought) -> Page:
    """In the order of places and rows."""
    reached, _, last = sought.after.partition("/")
    items: list[Indexed] = []
    for name, place in PLACES.items():
        left = sought.limit - len(items)
        if name < reached or left == 0:
            continue
        query = (
            select(place.row, place.value)
            .where(_lacks(place, sought.generation), place.row > (last if name == reached else ""))
            .order_by(place.row)
            .limit(left)
        )
        items += [
            Indexed(place=name, row=row, subject_id=row, scope=f"account/{row}", value=value)
            for row, value in await tx.execute(query)
        ]
    full = len(items) == sought.limit
    return Page(items=items, after=f"{items[-1].place}/{items[-1].row}" if full else None)


async def renew(tx: AsyncSession, renewals: Sequence[Renewal]) -> Renewed:
    """In one order everywhere, so that two who renew the same rows do not block each other."""
    renewed = taken = 0
    for each in sorted(renewals, key=lambda each: (each.place, each.row)):
        try:
            async with tx.begin_nested():
                renewed += await _put(tx, PLACES[each.place], each)
        except IntegrityError as twice:
            if getattr(twice.orig, "sqlstate", None) != UNIQUE_VIOLATION:
                raise
            taken += 1
    return Renewed(renewed=renewed, changed=len(renewals) - renewed - taken, taken=taken)


async def _put(tx: AsyncSession, place: _Place, renewal: Renewal) -> int:
    even, odd = renewal.index.slots
    statement = (
        update(place.row.table)
        .where(place.row == renewal.row, place.value == renewal.value)
        .values({place.even: even, place.odd: odd})
        .returning(place.row)
    )
    return len((await tx.execute(statement)).all())


async def retire(tx: AsyncSession, told: Retired) -> int:
    """Removes up to `limit` forms of other generations. What has no other form keeps it."""
    removed = 0
    for place in PLACES.values():
        kept, gone = place.slots(told.generation)
        rows = (
            select(place.row)
            .where(gone.is_not(None), _of(kept, told.generation))
            .order_by(place.row)
            .limit(told.limit - removed)
            .with_for_update()
        )
        ids = (await tx.scalars(rows)).all()
        await tx.execute(update(place.row.table).where(place.row.in_(ids)).values({gone: None}))
        removed += len(ids)
        if removed == told.limit:
            break
    return removed


async def standing(tx: AsyncSession, generation: int) -> Standing:
    found = [
        (
            await tx.execute(
                select(
                    func.count(),
                    func.count().filter(_lacks(place, generation)),
                    func.count().filter(place.slots(generation)[1].is_not(None)),
                ).select_from(place.row.table)
            )
        ).one()
        for place in PLACES.values()
    ]
    values, lacking, earlier = (sum(counts) for counts in zip(*found, strict=True))
    return Standing(values=values, outdated=lacking, earlier=earlier)


def _lacks(place: _Place, generation: int) -> ColumnElement[bool]:
    kept, _ = place.slots(generation)
    return or_(kept.is_(None), ~_of(kept, generation))


def _of(column: Any, generation: int) -> ColumnElement[bool]:
    return func.split_part(column, ":", 2) == str(generation)

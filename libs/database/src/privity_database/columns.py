"""Columns for what a service carries and cannot read."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Dialect, Text, or_
from sqlalchemy.orm import Composite, composite, mapped_column
from sqlalchemy.types import TypeDecorator

from privity_contracts import BlindIndex, Sealed


class SealedText(TypeDecorator[Sealed]):
    """A sealed value. Plain text is refused on the way in and on the way out."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sealed | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if not isinstance(value, Sealed):
            raise TypeError(f"a sealed column takes Sealed, not {type(value).__name__}")
        return value.token

    def process_result_value(self, value: str | None, dialect: Dialect) -> Sealed | None:
        return None if value is None else Sealed(value)


class _IndexForm(TypeDecorator[str]):
    """One form of a blind index. Anything else is refused on the way in."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else BlindIndex(value).text


class _EqualIndexes(Composite.Comparator[BlindIndex]):
    """Equal are indexes that share a form."""

    def __eq__(self, other: object) -> ColumnElement[bool]:  # type: ignore[override]  # SQL's
        if not isinstance(other, BlindIndex):
            raise TypeError(f"an index is compared with BlindIndex, not {type(other).__name__}")
        columns = self.__clause_element__().clauses
        return or_(
            *(
                column == form
                for column, form in zip(columns, other.slots, strict=True)
                if form is not None
            )
        )

    __hash__ = None


def blind_index(name: str) -> Any:
    """A keyed hash, for equality and uniqueness, in two columns: `<name>_even`, `<name>_odd`.

    Of two keys that count at a time each has a column of its own, and whoever writes fills those
    that they know. Whoever writes beside them knows at least one of the same keys, so a unique
    index on each column holds through a change of keys.
    """
    return composite(
        _stored,
        mapped_column(f"{name}_even", _IndexForm, nullable=True),
        mapped_column(f"{name}_odd", _IndexForm, nullable=True),
        comparator_factory=_EqualIndexes,
    )


def _stored(even: str | None, odd: str | None) -> BlindIndex | None:
    return None if even is None and odd is None else BlindIndex.of_slots(even, odd)

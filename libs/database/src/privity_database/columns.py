"""Columns for what a service carries and cannot read."""

from __future__ import annotations

from sqlalchemy import Dialect, Text
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


class BlindIndexText(TypeDecorator[BlindIndex]):
    """A keyed hash, for equality and uniqueness."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: BlindIndex | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if not isinstance(value, BlindIndex):
            raise TypeError(f"an index column takes BlindIndex, not {type(value).__name__}")
        return value.text

    def process_result_value(self, value: str | None, dialect: Dialect) -> BlindIndex | None:
        return None if value is None else BlindIndex(value)

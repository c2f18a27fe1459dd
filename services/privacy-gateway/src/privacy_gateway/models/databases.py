"""Which database a table is in."""

from sqlalchemy import DateTime
from sqlalchemy.orm import DeclarativeBase

Moment = DateTime(timezone=True)


class Base(DeclarativeBase):
    pass


class KeyBase(DeclarativeBase):
    pass


class AuditBase(DeclarativeBase):
    pass


class JournalBase(DeclarativeBase):
    pass

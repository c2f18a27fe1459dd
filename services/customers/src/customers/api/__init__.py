"""HTTP in: one module per resource. Here is what their routes are given."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from customers.domain.address_reading import AddressReader
from customers.domain.one_time_code import OneTimeCodes
from customers.domain.passwords import Passwords
from privity_database import Database
from privity_rest import Customer, NotAllowed

REVOKE = "Privity-Revoke"
"""Names a session, or a piece of work, whose access tokens the gateway shall refuse from now on."""


def _subject(caller: Customer) -> str:
    if caller.subject is None:
        raise NotAllowed("for customers only")
    return caller.subject


def _now(request: Request) -> datetime:
    now: datetime = request.app.state.clock()
    return now


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def _passwords(request: Request) -> Passwords:
    passwords: Passwords = request.app.state.passwords
    return passwords


def _codes(request: Request) -> OneTimeCodes:
    codes: OneTimeCodes = request.app.state.codes
    return codes


def address_reader(request: Request) -> AddressReader:
    reader: AddressReader = request.app.state.addresses
    return reader


# The customer who asks, and the only one whom the request may be about.
Subject = Annotated[str, Depends(_subject)]
Now = Annotated[datetime, Depends(_now)]
# For routes that count an attempt in one transaction, compute in none, and write in another.
Store = Annotated[Database, Depends(_database)]
Hashing = Annotated[Passwords, Depends(_passwords)]
Codes = Annotated[OneTimeCodes, Depends(_codes)]

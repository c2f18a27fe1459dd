"""What the process holds, as arguments of its routes."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request

from orders.domain.placement import Terms
from orders.domain.settlement import Settlement
from privity_database import Database


def _database(request: Request) -> Database:
    held: Database = request.app.state.database
    return held


def _settlement(request: Request) -> Settlement:
    held: Settlement = request.app.state.settlement
    return held


def _terms(request: Request) -> Terms:
    held: Terms = request.app.state.terms
    return held


def _now() -> datetime:
    return datetime.now(UTC)


HeldDatabase = Annotated[Database, Depends(_database)]
HeldSettlement = Annotated[Settlement, Depends(_settlement)]
HeldTerms = Annotated[Terms, Depends(_terms)]
Now = Annotated[datetime, Depends(_now)]

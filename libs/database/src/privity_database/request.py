"""One request is one transaction, committed before the answer leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession

from privity_database.engine import Database


async def _transaction(request: Request) -> AsyncIterator[AsyncSession]:
    database: Database = request.app.state.database
    async with database.transaction() as session:
        yield session


# "function": by default the commit would come after the answer, which would then promise
# something that may still fail.
Transaction = Annotated[AsyncSession, Depends(_transaction, scope="function")]

"""(a) The same read with no protection at all: FastAPI and asyncpg, values in the clear."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from fastapi import FastAPI, HTTPException


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["BENCH_DATABASE_URL"], min_size=10) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/v1/addresses/{address_id}")
async def address(address_id: str) -> dict[str, Any]:
    row = await app.state.pool.fetchrow(
        "SELECT id, account_id, recipient, phone, line1, line2, city, region, postal_code, country"
        " FROM plain_addresses WHERE id = $1",
        address_id,
    )
    if row is None:
        raise HTTPException(404)
    return dict(row)

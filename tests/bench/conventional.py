"""(b) A conventional gateway: FastAPI, python-jose at each request, httpx, an audit row by ORM."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi import FastAPI, Header, HTTPException
from jose import JWTError, jwt
from sqlalchemy import Text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

AUDIENCE = "urn:privity:api"


class Base(DeclarativeBase):
    pass


class AuditRow(Base):
    __tablename__ = "bench_audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    resource: Mapped[str] = mapped_column(Text)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    url = os.environ["BENCH_DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(url, pool_size=20)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    app.state.sessions = async_sessionmaker(engine)
    app.state.key = json.loads(os.environ["BENCH_TOKEN_KEYS"])["keys"][0]
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
    async with httpx.AsyncClient(base_url=os.environ["BENCH_PLAIN_URL"], limits=limits) as client:
        app.state.client = client
        yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.get("/v1/addresses/{address_id}")
async def address(address_id: str, authorization: str = Header()) -> dict[str, Any]:
    token = authorization.removeprefix("Bearer ")
    try:
        claims = jwt.decode(token, app.state.key, algorithms=["ES256"], audience=AUDIENCE)
    except JWTError:
        raise HTTPException(401) from None
    response = await app.state.client.get(f"/v1/addresses/{address_id}")
    if response.status_code != 200:
        raise HTTPException(response.status_code)
    found: dict[str, Any] = response.json()
    if found["account_id"] != claims["sub"]:
        raise HTTPException(404)
    session: AsyncSession
    async with app.state.sessions() as session:
        at = datetime.now(UTC).isoformat()
        session.add(AuditRow(at=at, subject=claims["sub"], resource=address_id))
        await session.commit()
    fields = ("recipient", "phone", "line1", "line2", "city", "region", "postal_code", "country")
    return {name: found[name] for name in fields}

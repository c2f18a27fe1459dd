"""Wires the service together."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from logistics_adapter import consumers
from logistics_adapter.api import carrier_routes, events, holdings, shipments, tracking_events
from logistics_adapter.consumers import Clock
from logistics_adapter.domain.dispatch import DISPATCH
from logistics_adapter.settings import Settings
from privity_database import Database, migrate
from privity_jobs import Retry, Worker
from privity_rest import GatewayClient, service

MIGRATIONS = Path(__file__).parent / "migrations"
NAME = "logistics-adapter"


def system_clock() -> datetime:
    return datetime.now(UTC)


def create_app(settings: Settings | None = None, *, clock: Clock = system_clock) -> FastAPI:
    return _application(settings or Settings(), clock)  # type: ignore[call-arg]  # from the environment


def contract() -> dict[str, Any]:
    """The OpenAPI document, built without any setting."""
    return _application(None, system_clock).openapi()


def _application(settings: Settings | None, clock: Clock) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if settings is None:
            raise RuntimeError("this application was built for its OpenAPI document alone")
        async with AsyncExitStack() as stack:
            await _open(app, settings, clock, stack)
            yield

    app = service(
        title=NAME,
        inbound_key_file=settings.inbound_key_file if settings else None,
        lifespan=lifespan,
    )
    for resource in (shipments, carrier_routes, tracking_events, events, holdings):
        app.include_router(resource.router)
    return app


async def _open(app: FastAPI, settings: Settings, clock: Clock, stack: AsyncExitStack) -> None:
    await migrate(settings.migration_database_url.get_secret_value(), MIGRATIONS)
    database = Database(settings.database_url.get_secret_value(), application_name=NAME)
    stack.push_async_callback(database.dispose)
    gateway = await stack.enter_async_context(
        GatewayClient(
            url=settings.gateway_url,
            service=NAME,
            outbound_key_file=settings.outbound_key_file,
        )
    )
    app.state.clock = clock
    app.state.database = database
    app.state.parcel_grams = settings.standard_parcel_grams
    retry = Retry(
        first=settings.retry_first_seconds,
        cap=settings.retry_cap_seconds,
        attempts=settings.retry_attempts,
    )
    await stack.enter_async_context(
        Worker(
            database.engine,
            consumers.handlers(database, gateway, clock),
            lease=settings.job_lease_seconds,
            retries={DISPATCH: retry},
            concurrency=24,
        )
    )

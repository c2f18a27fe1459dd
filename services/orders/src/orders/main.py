"""Wires the service together."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from orders.api import (
    deliveries,
    events,
    fulfilment,
    holdings,
    orders,
    payments,
    products,
    searches,
)
from orders.clients.payment_provider import PaymentProvider
from orders.clients.sandbox import Sandbox
from orders.clients.stripe import Stripe
from orders.domain import expiry
from orders.domain.deliveries import Deliveries
from orders.domain.payment import RELEASE, SETTLE
from orders.domain.placement import EXPIRE, Terms
from orders.domain.settlement import Settlement
from orders.settings import Settings
from privity_database import Database, migrate
from privity_jobs import EVENT, Handler, Worker, event_relay
from privity_rest import GatewayClient, service

MIGRATIONS = Path(__file__).parent / "migrations"


def create_app(settings: Settings | None = None) -> FastAPI:
    return _assemble(settings or Settings())  # type: ignore[call-arg]  # from the environment


def contract() -> dict[str, Any]:
    """What this service promises; needs no settings and no database."""
    return _assemble(None).openapi()


def _assemble(settings: Settings | None) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        assert settings is not None  # noqa: S101  # without settings nothing is served
        async with AsyncExitStack() as stack:
            await _start(app, settings, stack)
            yield

    app = service(
        title="orders",
        inbound_key_file=settings.inbound_key_file if settings else None,
        lifespan=lifespan,
    )
    for resource in (
        products,
        orders,
        deliveries,
        payments,
        fulfilment,
        searches,
        events,
        holdings,
    ):
        app.include_router(resource.router)
    return app


async def _start(app: FastAPI, settings: Settings, stack: AsyncExitStack) -> None:
    await migrate(settings.migration_database_url.get_secret_value(), MIGRATIONS)
    database = Database(
        settings.database_url.get_secret_value(), pool_size=10, application_name="orders"
    )
    stack.push_async_callback(database.dispose)
    provider = await stack.enter_async_context(_provider(settings, database))
    gateway = await stack.enter_async_context(
        GatewayClient(
            url=settings.gateway_url,
            service="orders",
            outbound_key_file=settings.outbound_key_file,
        )
    )
    settlement = Settlement(
        database,
        provider,
        timeout_seconds=settings.payment_timeout_seconds,
        clock=_clock,
    )
    app.state.database = database
    app.state.settlement = settlement
    app.state.terms = Terms(
        pay_within=timedelta(seconds=settings.pay_within_seconds),
        recover_after=timedelta(seconds=settings.recover_payment_after_seconds),
    )
    app.state.deliveries = await stack.enter_async_context(Deliveries(database))
    await stack.enter_async_context(
        Worker(database.engine, _handlers(database, settlement, gateway))
    )


def _clock() -> datetime:
    return datetime.now(UTC)


def _provider(settings: Settings, database: Database) -> PaymentProvider:
    if settings.payment_provider == "sandbox":
        return Sandbox(database)
    # The settings have checked that these are there.
    return Stripe(
        url=str(settings.stripe_url),
        key_file=Path(str(settings.stripe_key_file)),
        return_url=str(settings.payment_return_url),
        timeout_seconds=settings.payment_timeout_seconds,
    )


def _handlers(
    database: Database, settlement: Settlement, gateway: GatewayClient
) -> Mapping[str, Handler]:
    return {
        SETTLE: settlement.settle,
        RELEASE: settlement.release,
        EXPIRE: expiry.handler(database, settlement, clock=_clock),
        EVENT: event_relay(gateway),
    }

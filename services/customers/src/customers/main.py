"""Wires the service together."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from customers import consumers
from customers.api import (
    addresses,
    case_queue,
    cases,
    consents,
    customers,
    holdings,
    indexes,
    newsletter,
    objections,
    password,
    profile,
    registrations,
    sessions,
)
from customers.api.consent_receipt import Controller
from customers.consumers import Clock
from customers.domain import expiry
from customers.domain.address_reading import AddressReader
from customers.domain.one_time_code import OneTimeCodes
from customers.domain.passwords import Passwords
from customers.settings import Settings
from privity_database import Database, migrate
from privity_jobs import Worker
from privity_rest import GatewayClient, read_secret, service

MIGRATIONS = Path(__file__).parent / "migrations"
NAME = "customers"
# In the order in which routes are tried: the one that is read most often comes first.
RESOURCES = (
    addresses,
    profile,
    sessions,
    registrations,
    password,
    cases,
    case_queue,
    objections,
    consents,
    customers,
    holdings,
    indexes,
    newsletter,
)


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
        async with AsyncExitStack() as open_things:
            await _open(app, settings, clock, open_things)
            yield

    app = service(
        title=NAME,
        inbound_key_file=settings.inbound_key_file if settings else None,
        lifespan=lifespan,
    )
    for resource in RESOURCES:
        app.include_router(resource.router)
    return app


async def _open(app: FastAPI, settings: Settings, clock: Clock, stack: AsyncExitStack) -> None:
    codes = OneTimeCodes(read_secret(settings.code_key_file))
    passwords = Passwords(
        memory_kib=settings.argon2_memory_kib,
        passes=settings.argon2_passes,
        threads=settings.argon2_threads,
    )
    stack.callback(passwords.close)
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
    app.state.codes = codes
    app.state.passwords = passwords
    app.state.database = database
    app.state.gateway = gateway
    app.state.controller = Controller(
        name=settings.controller_name,
        url=settings.controller_url,
        country=settings.controller_country,
    )
    app.state.addresses = await stack.enter_async_context(AddressReader(database.engine))
    handlers = consumers.handlers(database, gateway, codes, clock)
    await stack.enter_async_context(Worker(database.engine, handlers))
    async with database.transaction() as tx:
        await expiry.schedule(tx, at=clock())

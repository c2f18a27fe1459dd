"""A process that dies between beginning a payment and hearing of it loses neither."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from orders.main import MIGRATIONS
from privity_contracts.ids import mint
from privity_database import migrate
from privity_postgres.testing import MakeDatabase

from .shop import INBOUND, customer, keyed, open_shop, settings_for
from .standins import GatewayStandin, StripeStandin

Standin = tuple[StripeStandin, dict[str, Any]]


class Process:
    """The service as it runs in production: uvicorn on a Unix socket."""

    def __init__(self, environment: dict[str, str], socket: Path) -> None:
        command = ["-m", "uvicorn", "orders.main:create_app", "--factory", "--uds", str(socket)]
        self._process = subprocess.Popen(
            [sys.executable, *command, "--no-access-log", "--log-level", "critical"],
            env={**os.environ, **environment},
        )
        self.api = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(socket)),
            base_url="http://orders",
            headers={"Authorization": f"Bearer {INBOUND}"},
            timeout=30,
        )

    async def ready(self) -> None:
        async with asyncio.timeout(20):
            while True:
                try:
                    if (await self.api.get("/healthz")).status_code == 200:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.05)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def end(self) -> None:
        if self._process.poll() is None:
            self.kill()


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for process in started:
        process.end()


@pytest.mark.parametrize("hangs", ["create", "confirm"])
async def test_killed_while_the_provider_is_asked_there_is_one_payment_in_the_end(
    make_database: MakeDatabase,
    gateway: tuple[GatewayStandin, str],
    stripe: Standin,
    tmp_path: Path,
    processes: list[Process],
    hangs: str,
) -> None:
    standin, changes = stripe
    standin.plan = {hangs: ["hang"]}
    urls = make_database("orders")
    timing = {"payment_timeout_seconds": 2, "recover_payment_after_seconds": 2.1}
    settings = settings_for(
        urls,
        tmp_path,
        gateway[1],
        **changes,
        **timing,
    )
    await migrate(urls.owner, MIGRATIONS)
    environment = {
        f"ORDERS_{name.upper()}": str(value)
        for name, value in settings.model_dump(exclude_none=True).items()
    } | {
        "ORDERS_DATABASE_URL": urls.runtime,
        "ORDERS_MIGRATION_DATABASE_URL": urls.owner,
    }
    process = Process(environment, tmp_path / "orders.sock")
    processes.append(process)
    await process.ready()

    async with open_shop(settings, urls) as survivor:
        # Another process of the service lives on; it is its worker that finishes the work.
        product, who, new_id, headers = (
            await survivor.product(),
            customer(),
            mint("ord"),
            keyed(),
        )
        survivor_api, survivor.api = survivor.api, process.api
        placing = asyncio.create_task(
            survivor.place(
                who, (product["id"], 1), token="tok_visa", headers=headers, new_id=new_id
            )
        )

        async def asked() -> object:
            return standin.seen[hangs]

        await survivor.until(asked)
        process.kill()
        with pytest.raises(httpx.TransportError):
            await placing
        survivor.api = survivor_api

        order = {"id": new_id, "subject_id": who["Privity-Subject"]}
        assert (await survivor.read(order))["payments"][0]["outcome"] == "pending"
        paid = await survivor.until_payment(order, "approved")
        again = await survivor.place(
            who, (product["id"], 1), token="tok_visa", headers=headers, new_id=new_id
        )

        assert paid["state"] == "paid"
        assert again.json() == paid
        assert len(paid["payments"]) == 1
        assert await survivor.history(order) == ["placed", "paid"]
        assert await survivor.stock(product["id"]) == 999
    assert len(standin.intents) == 1
    assert len(standin.taken()) == 1

"""One shop with the sandbox for most tests, and fresh ones for those that need their own."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from privity_postgres.testing import MakeDatabase

from .shop import Shop, open_shop, settings_for
from .standins import GatewayStandin, StripeStandin, served

OpenShop = Callable[..., AbstractAsyncContextManager[Shop]]


@pytest.fixture(scope="package")
def gateway() -> Iterator[tuple[GatewayStandin, str]]:
    standin = GatewayStandin()
    with served(standin) as url:
        yield standin, url


@pytest.fixture(scope="package")
async def shop(
    make_database: MakeDatabase,
    gateway: tuple[GatewayStandin, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Shop]:
    urls = make_database("orders")
    settings = settings_for(urls, tmp_path_factory.mktemp("orders"), gateway[1])
    async with open_shop(settings, urls) as shop:
        yield shop


@pytest.fixture
def a_shop(
    make_database: MakeDatabase, gateway: tuple[GatewayStandin, str], tmp_path: Path
) -> OpenShop:
    """`async with a_shop(pay_within_seconds=1) as shop`: with a database of its own."""

    def opened(**changes: Any) -> AbstractAsyncContextManager[Shop]:
        urls = make_database("orders")
        return open_shop(settings_for(urls, tmp_path, gateway[1], **changes), urls)

    return opened


@pytest.fixture
def stripe(tmp_path: Path) -> Iterator[tuple[StripeStandin, dict[str, Any]]]:
    """The stand-in, and the settings that lead to it."""
    standin = StripeStandin()
    with served(standin) as url:
        yield (
            standin,
            {
                "payment_provider": "stripe",
                "stripe_url": url,
                "stripe_key_file": tmp_path / "stripe",
                "payment_return_url": "https://shop.example/back",
            },
        )

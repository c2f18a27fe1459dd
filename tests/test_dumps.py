"""What a service can read of its own database holds nobody's data."""

from pathlib import Path

import pytest

from privity_deploy.raw_places import raw_places
from privity_deploy.raw_search import search
from privity_deploy.stack import Stack

from .dumps import dump, roles
from .people import PASSWORD, Customer


def test_a_dump_as_any_role_that_may_log_in_holds_no_readable_value(
    stack: Stack, household: tuple[Customer, dict[str, str]], tmp_path: Path
) -> None:
    if not stack.owns_postgres:
        pytest.skip("pg_dump comes with the server that this stack starts itself")
    customer, _ = household
    wanted = customer.private | {"password": PASSWORD}
    written = {}

    for name, url in roles(stack).items():
        written[name] = tmp_path / f"{name}.sql"
        dump(stack, url, written[name])

    assert len(written) >= 13  # two for each of six databases, and who puts records in order
    assert min(path.stat().st_size for path in written.values()) > 100
    assert list(search(written.values(), wanted)) == []


async def test_no_file_of_server_and_logs_holds_a_customers_data_and_a_planted_one_is_found(
    stack: Stack, household: tuple[Customer, dict[str, str]], tmp_path: Path
) -> None:
    customer, _ = household
    wanted = customer.private | {"password": PASSWORD}

    places = await raw_places(stack.running, tmp_path)

    assert len(places.files) > 10
    assert list(search(places.files, wanted)) == []
    (tmp_path / "leak").write_bytes(b"\0\1" + customer.name.upper().encode("utf-16-le"))
    assert "name" in {hit.value for hit in search([tmp_path / "leak"], wanted)}

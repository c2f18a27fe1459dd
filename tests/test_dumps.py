"""What a service can read of its own database holds nobody's data."""

import subprocess
from pathlib import Path

import pytest

from privity_deploy.raw_places import raw_places
from privity_deploy.raw_search import files_below, search
from privity_deploy.stack import Stack
from privity_postgres import for_driver

from .people import PASSWORD, Customer

SERVICES = ["privity_customers", "privity_orders", "privity_logistics", "privity_gateway"]


@pytest.mark.parametrize("database", [*SERVICES, "privity_keys", "privity_audit"])
def test_a_dump_as_the_services_own_role_holds_no_readable_value(
    stack: Stack,
    household: tuple[Customer, dict[str, str]],
    database: str,
    tmp_path: Path,
) -> None:
    if not stack.owns_postgres:
        pytest.skip("pg_dump comes with the server that this stack starts itself")
    customer, _ = household
    dump = tmp_path / f"{database}.sql"
    url = for_driver(stack.places.runtime_url(database))

    subprocess.run(
        [
            *(stack.postgres.bin_dir / "pg_dump", "--dbname", url, "--data-only", "--file", dump),
        ],
        check=True,
    )

    assert dump.stat().st_size > 500
    wanted = customer.private | {"password": PASSWORD}
    assert list(search([dump], wanted)) == []


async def test_no_file_of_server_and_logs_holds_a_customers_data_and_a_planted_one_is_found(
    stack: Stack, household: tuple[Customer, dict[str, str]], tmp_path: Path
) -> None:
    customer, _ = household
    wanted = customer.private | {"password": PASSWORD}

    places = await raw_places(stack.running, tmp_path)

    assert len(places.files) > 10
    assert list(search(places.files, wanted)) == []
    (tmp_path / "leak").write_bytes(b"\0\1" + customer.name.upper().encode("utf-16-le"))
    assert [hit.value for hit in search(files_below(tmp_path), wanted)] == ["name"]

"""Exports through their door: who asks and fetches, once for one key, recorded each time."""

import io
import tarfile
from datetime import UTC, datetime, timedelta

import pytest

from privacy_gateway.domain.exporting import files, orders
from privacy_gateway.domain.tokens.caller import VISITOR
from privity_contracts import ids
from privity_database import Database

from .callers import customer_caller, recorded, staff

PATH = "/v1/audit/exports"


@pytest.fixture
async def database(door, gateway_database):
    opened = door.app.state.database = Database(gateway_database.runtime)
    yield opened
    await opened.dispose()


@pytest.fixture
def made(database):
    """As the job leaves it."""

    async def finish(export_id, *, kept=orders.KEPT):
        now = datetime.now(UTC)
        async with database.transaction() as tx:
            export = await orders.find(tx, export_id)
            export.state, export.ready_at, export.expires_at = "ready", now, now + kept
            files.put(tx, export_id, "records.ndjson", b"one\n")
            files.put(tx, export_id, "records.ndjson", b"two\n", part=1)
            files.put(tx, export_id, "tile/0/000.p/2", b"\0" * 64)

    return finish


async def test_an_export_is_asked_for_and_fetched_and_both_are_recorded(
    api, database, made, records, customer, auditor
):
    asked = await api(staff(auditor), {"subject": customer, "format": "csv"}, path=PATH)
    export_id = asked.json()["id"]
    early = await api(staff(auditor), path=f"{PATH}/{export_id}/archive")
    await made(export_id)

    fetched = await api(staff(auditor), path=f"{PATH}/{export_id}/archive")

    assert (asked.status_code, asked.json()["state"]) == (202, "queued")
    assert (early.status_code, early.json()["code"]) == (409, "export_not_ready")
    assert fetched.headers["content-type"] == "application/x-tar"
    with tarfile.open(fileobj=io.BytesIO(fetched.content)) as archive:
        content = {each.name: archive.extractfile(each).read() for each in archive}
    assert content[f"{export_id}/records.ndjson"] == b"one\ntwo\n"
    assert content[f"{export_id}/tile/0/000.p/2"] == b"\0" * 64
    about = await recorded(records, subject=customer, actor=auditor)
    assert [each["kind"] for each in about] == ["audit_read", "audit_read"]
    listed = await api(staff(auditor), path=PATH)
    assert export_id in [each["id"] for each in listed.json()["items"]]
    assert customer not in listed.text


async def test_the_same_key_is_the_same_export(api, database, auditor):
    key, who = {"Idempotency-Key": ids.mint("req")}, staff(auditor)

    first = await api(who, {}, path=PATH, headers=key)
    again = await api(who, {}, path=PATH, headers=key)
    other = await api(staff(ids.mint("stf")), {}, path=PATH, headers=key)

    assert first.json()["id"] == again.json()["id"] != other.json()["id"]


async def test_an_export_that_was_kept_long_enough_is_not_given(api, database, made, auditor):
    export_id = (await api(staff(auditor), {}, path=PATH)).json()["id"]
    await made(export_id, kept=timedelta(0))

    answer = await api(staff(auditor), path=f"{PATH}/{export_id}/archive")

    assert (answer.status_code, answer.json()["code"]) == (410, "export_expired")


async def test_strangers_neither_ask_nor_fetch(api, database, made, customer, clerk, auditor):
    export_id = (await api(staff(auditor), {}, path=PATH)).json()["id"]
    await made(export_id)
    for who, status in (
        (VISITOR, 401),
        (customer_caller(customer), 403),
        (staff(clerk, role="support_1", purpose="enquiries"), 403),
    ):
        assert (await api(who, {}, path=PATH)).status_code == status
        for path in (f"{PATH}/{export_id}", f"{PATH}/{export_id}/archive"):
            assert (await api(who, path=path)).status_code == status


async def test_an_export_that_is_not_there(api, database, auditor):
    for path in (f"{PATH}/{ids.mint('exp')}", f"{PATH}/{ids.mint('exp')}/archive"):
        answer = await api(staff(auditor), path=path)
        assert (answer.status_code, answer.json()["code"]) == (404, "export_not_found")


@pytest.mark.parametrize("body", [{"format": "xlsx"}, {"reveal": ["actor"]}, {"subject": "Ada"}])
async def test_what_cannot_be_exported_is_refused(api, database, auditor, body):
    assert (await api(staff(auditor), body, path=PATH)).status_code == 422

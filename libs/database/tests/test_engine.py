"""Transactions, as a request sees them and as the server's failures break them."""

import asyncio
import socket

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from privity_database import Database, DatabaseUnavailable, Transaction
from privity_postgres.silence import Way
from privity_rest import problems
from privity_rest.refusals import Conflict


@pytest.fixture(scope="module")
def urls(make_database):
    return make_database("engine")


@pytest.fixture(scope="module")
async def database(urls):
    owner = Database(urls.owner, pool_size=1)
    async with owner.transaction() as tx:
        await tx.execute(text("CREATE TABLE note (id int PRIMARY KEY DEFERRABLE, words text)"))
    await owner.dispose()
    database = Database(urls.runtime, pool_size=5)
    yield database
    await database.dispose()


@pytest.fixture(autouse=True)
async def no_notes(database):
    async with database.transaction() as tx:
        await tx.execute(text("DELETE FROM note"))


async def notes(database):
    async with database.transaction() as tx:
        return list(await tx.scalars(text("SELECT id FROM note ORDER BY id")))


def an_app(database):
    app = FastAPI()
    app.state.database = database
    problems.install(app)

    @app.post("/notes/{number}")
    async def write(number: int, tx: Transaction) -> int:
        await tx.execute(text("INSERT INTO note (id) VALUES (:id)"), {"id": number})
        return number

    @app.post("/refused/{number}")
    async def write_and_refuse(number: int, tx: Transaction) -> None:
        await tx.execute(text("INSERT INTO note (id) VALUES (:id)"), {"id": number})
        raise Conflict(f"no note {number}")

    @app.post("/deferred/{number}")
    async def fails_at_commit(number: int, tx: Transaction) -> int:
        await tx.execute(text("SET CONSTRAINTS ALL DEFERRED"))
        for _ in range(2):
            await tx.execute(text("INSERT INTO note (id) VALUES (:id)"), {"id": number})
        return number

    return app


async def test_the_commit_has_happened_when_the_first_byte_of_the_answer_leaves(database):
    app = an_app(database)
    seen_by_then = []

    async def send(message):
        if message["type"] == "http.response.start":
            seen_by_then.extend(await notes(database))

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    await app(
        {
            "type": "http",
            "method": "POST",
            "path": "/notes/7",
            "query_string": b"",
            "headers": [],
            "http_version": "1.1",
            "scheme": "http",
        },
        receive,
        send,
    )

    assert seen_by_then == [7]


async def test_a_commit_that_fails_is_not_answered_as_success(database):
    transport = httpx.ASGITransport(an_app(database), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        answer = await client.post("/deferred/1")

    assert answer.status_code == 500
    assert await notes(database) == []


async def test_a_refusal_takes_its_writes_back(database):
    transport = httpx.ASGITransport(an_app(database))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
        answer = await client.post("/refused/1")

    assert answer.status_code == 409
    assert await notes(database) == []


async def test_a_cancelled_request_neither_writes_nor_keeps_its_connection(database):
    entered = asyncio.Event()

    async def slow():
        async with database.transaction() as tx:
            await tx.execute(text("INSERT INTO note (id) VALUES (1)"))
            entered.set()
            await tx.execute(text("SELECT pg_sleep(30)"))

    for _ in range(6):  # one more than the pool holds
        entered.clear()
        task = asyncio.create_task(slow())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert await notes(database) == []


async def test_connections_that_died_while_idle_are_replaced_unnoticed(database, urls):
    await notes(database)
    admin = Database(urls.admin, pool_size=1)
    async with admin.transaction() as tx:
        await tx.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    await admin.dispose()
    await asyncio.sleep(0.1)

    assert await notes(database) == []


async def test_a_connection_that_dies_under_way_is_unavailable_and_takes_its_writes_back(database):
    async def write_and_die():
        async with database.transaction() as tx:
            await tx.execute(text("INSERT INTO note (id) VALUES (1)"))
            await tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(DatabaseUnavailable):
        await write_and_die()

    assert await notes(database) == []


async def test_a_server_that_is_not_there_is_unavailable(urls, tmp_path):
    url = urls.runtime.partition("@")[0] + f"@/nothing?host={tmp_path}"
    database = Database(url)

    with pytest.raises(DatabaseUnavailable):
        async with database.transaction():
            pass
    await database.dispose()


async def test_disposing_does_not_wait_for_a_server_that_is_gone(urls):
    async with Way(urls.runtime).standing() as way:
        database = Database(way.url)
        async with database.transaction() as tx:
            await tx.execute(text("SELECT 1"))
        way.fall_silent()

        async with asyncio.timeout(20):
            await database.dispose()


async def test_the_kernel_notices_a_host_that_is_lost(urls):
    async with Way(urls.runtime).standing() as way:
        database = Database(way.url)
        async with database.transaction() as tx:
            raw = await (await tx.connection()).get_raw_connection()
            there = raw.driver_connection._transport.get_extra_info("socket")
            set_ = [
                there.getsockopt(level, name)
                for level, name in (
                    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
                )
            ]
        await database.dispose()

    assert set_ == [1, 2]


async def test_a_mistake_in_the_block_stays_a_mistake(database):
    with pytest.raises(FileNotFoundError):
        async with database.transaction():
            raise FileNotFoundError("not the database's")


async def test_an_error_does_not_quote_the_row(database):
    from sqlalchemy.exc import DBAPIError

    with pytest.raises(DBAPIError) as failure:
        async with database.transaction() as tx:
            await tx.execute(
                text("INSERT INTO note (id, words) VALUES (NULL, :words)"), {"words": "Ada"}
            )

    assert "words': " not in str(failure.value)

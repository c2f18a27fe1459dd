"""Keys that are destroyed and replaced while two gateway processes serve from them."""

import asyncio
import contextlib
import os
import sys
import time
from datetime import UTC, datetime

import asyncpg
import pytest

from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.vault.destruction import Destruction
from privity_contracts import ids

from .conftest import bearer
from .test_support_view import a_case
from .test_two_processes import environment, processes

__all__ = ["a_case", "environment", "processes"]

ROUNDS = int(os.environ.get("PRIVITY_DESTRUCTION_ROUNDS", "15"))
ROTATIONS = int(os.environ.get("PRIVITY_KEY_ROTATIONS", "1"))
# A machine that does ten things at a time makes deadlines pass, with or without rotation: what
# came too late is asked again. The long form runs alone, and there nothing may be late.
STRICT = "PRIVITY_DESTRUCTION_ROUNDS" in os.environ
SECRET = "Anna Beispiel"
MESSAGE = "Where is my tea?"
COMMAND = (sys.executable, "-m", "privacy_gateway", "keys")


@pytest.fixture(scope="module")
async def destruction(databases):
    held = Destruction(databases["keys_"].runtime)
    yield held
    held.close()


@pytest.fixture
async def table(databases):
    connection = await asyncpg.connect(for_driver(databases["keys_"].owner))
    yield connection
    await connection.close()


class Readers:
    """Read without pause at both processes, and keep what went wrong."""

    def __init__(self, processes, orders, as_customer):
        self._processes = processes
        self._orders = [(order, as_customer(order.subject)) for order in orders]
        self.read = 0
        self.late = 0
        self.failed = []

    async def _one(self, number):
        turn = number
        while True:
            order, headers = self._orders[turn % len(self._orders)]
            process = self._processes[turn % 2]
            turn += 1
            answer = await process.get(order.path, headers)
            self.read += 1
            if answer.status_code == 503:
                self.late += 1
            elif answer.status_code != 200 or SECRET not in answer.text:
                self.failed.append((answer.status_code, answer.text[:300]))
            await asyncio.sleep(0.01)  # leaves something for what is to happen meanwhile

    def require_whole(self):
        assert self.failed == []
        assert self.read > 20
        assert self.late == 0 or not STRICT

    @contextlib.asynccontextmanager
    async def reading(self, *, readers=4):
        tasks = [asyncio.create_task(self._one(number)) for number in range(readers)]
        try:
            yield self
            for task in tasks:
                assert not task.done(), task.exception()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def run(environment, *arguments, kill_after=None):
    """The exit code and what was said; killed after so many lines."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = []
    async for line in process.stdout:
        said.append(line.decode().strip())
        if kill_after is not None and len(said) >= kill_after:
            process.kill()
            break
    return await process.wait(), "\n".join(said)


@pytest.fixture
def an_order_read_by(processes, an_order, as_customer):
    """`make(who)`: an order, and headers of somebody who reads it at either process: its customer,
    or staff who see it whole or masked."""
    one, _ = processes
    subject, signed_in = ids.mint("cus"), {}

    async def make(who):
        if who == "customer":
            order = await an_order(assignee=None)
            return order, as_customer(order.subject)
        name, purpose = STAFF_READERS[who]
        if name not in signed_in:
            signed_in[name] = await one.sign_in(name)
        known = signed_in[name]
        order = await an_order(assignee=known["staff_id"], subject=subject)
        granted = await one.exchange(known["identity_token"], purpose, f"case/{order.case}")
        assert granted.status_code == 200, granted.text
        return order, bearer(granted.json()["access_token"])

    return make


STAFF_READERS = {"staff, masked": ("kim", "enquiries"), "staff, whole": ("sam", "enquiries")}


async def raced(processes, order, headers, destroy):
    """Four readers at two processes, and a destruction: when each answer was asked for and had, the
    name in it if it had one, and when the destruction was acknowledged."""
    acknowledged = float("inf")
    seen = []

    async def keep_reading(process):
        began = 0.0
        while began <= acknowledged:
            began = time.monotonic()
            answer = await process.get(order.path, headers)
            seen.append((began, time.monotonic(), answer.json().get("recipient")))

    reading = [asyncio.create_task(keep_reading(process)) for process in processes * 2]
    while sum(name is not None for *_, name in seen) < 4:  # noqa: ASYNC110  # they tell nobody
        await asyncio.sleep(0.001)
    await destroy()
    acknowledged = time.monotonic()
    await asyncio.gather(*reading)
    return seen, acknowledged


@pytest.mark.parametrize("who", ["customer", *STAFF_READERS])
async def test_what_is_destroyed_is_served_to_nobody_after_the_acknowledgement(
    who, processes, an_order_read_by, destruction, record_figures
):
    served, late, refused = 0, 0, 0
    rounds = ROUNDS if STRICT or who == "customer" else ROUNDS // 3
    for _ in range(rounds):
        order, headers = await an_order_read_by(who)

        async def destroy(order=order):
            scope = f"order/{order.id}"
            await destruction.destroy(subject=order.subject, scope=scope, now=datetime.now(UTC))

        seen, acknowledged = await raced(processes, order, headers, destroy)

        after = [name for began, _, name in seen if began > acknowledged]
        assert after == [None] * 4
        [shown] = {name for *_, name in seen} - {None}
        assert (shown == SECRET) == (who != "staff, masked")
        served += sum(name is not None for *_, name in seen)
        late += sum(name is not None for _, ended, name in seen if ended > acknowledged)
        refused += len(after)
    assert served >= 4 * rounds
    # Answers that had left before the acknowledgement may be read by the client after it; that is
    # few, or somebody holds answers back.
    assert late <= 4 * rounds
    record_figures(
        f"keys: {rounds} rounds of reading while deleting ({who}, two processes): {served} answers"
        f" with the name before, {refused} after without, 0 with"
    )


async def test_a_key_that_goes_without_a_notice_is_noticed(processes, an_order_read_by, table):
    """What the readers see when who destroys does not wait for those who hold the key."""
    order, headers = await an_order_read_by("customer")

    async def destroy():
        await table.execute("DELETE FROM data_keys WHERE scope = $1", f"order/{order.id}")

    seen, acknowledged = await raced(processes, order, headers, destroy)

    assert SECRET in {name for began, _, name in seen if began > acknowledged}


async def answered(process, path, headers):
    """A busy machine may refuse for a moment: that is no leak, and it is asked again."""
    while (answer := await process.get(path, headers)).status_code == 503:
        pass
    return answer


async def test_what_is_destroyed_is_shown_to_no_staff_after_the_acknowledgement(
    processes, a_case, house, destruction
):
    """A view waits for its slowest part; what was read before may not lie open so long."""
    one, _ = processes
    signed_in = await one.sign_in("kim")
    subject, shown, refused, gone = ids.mint("cus"), 0, 0, 0
    for _ in range(ROUNDS):
        order = await a_case(assignee=signed_in["staff_id"], subject=subject)
        granted = await one.exchange(signed_in["identity_token"], "enquiries", f"case/{order.case}")
        headers = bearer(granted.json()["access_token"])
        path = f"/v1/cases/{order.case}/view"
        for process in processes:
            shown += MESSAGE in (await answered(process, path, headers)).text
        held, all_wait = asyncio.Event(), asyncio.Semaphore(0)
        slow = ("logistics-adapter", "GET", f"/v1/orders/{order.id}/shipment")

        async def later(request, held=held, all_wait=all_wait, answer=house.answers[slow]):
            all_wait.release()
            await held.wait()
            return answer

        house.answers[slow] = (200, later)
        under_way = [asyncio.create_task(process.get(path, headers)) for process in processes]
        for _ in under_way:
            await all_wait.acquire()
        await destruction.destroy(
            subject=subject, scope=f"case/{order.case}", now=datetime.now(UTC)
        )
        held.set()  # acknowledged: from here on nothing of it may come out
        for answer in await asyncio.gather(*under_way):
            assert MESSAGE not in answer.text
            was_open = answer.json().get("code") == "keys_unavailable"
            refused += was_open
            gone += not was_open and "nobody can" in answer.text  # opened no sooner than that
        said = (await answered(one, path, headers)).text
        assert "nobody can" in said  # it is gone, and says so
    assert shown == 2 * ROUNDS
    assert refused
    assert refused + gone == 2 * ROUNDS or not STRICT


async def test_a_key_that_goes_from_memory_during_a_slow_commit_is_loaded_again(
    gateway, databases, an_order, as_customer, destruction, table
):
    order = await an_order(assignee=None)
    headers = as_customer(order.subject)
    assert (await gateway.get(order.path, headers)).status_code == 200
    held = [row["key_id"] for row in await table.fetch(_OF, order.subject)]
    store = await asyncpg.connect(for_driver(databases["audit_"].owner))

    async with store.transaction():
        await store.execute("LOCK TABLE records IN EXCLUSIVE MODE")
        reading = asyncio.create_task(gateway.get(order.path, headers))
        async with asyncio.timeout(10):
            while not await store.fetchval(_WAITING):  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.005)
        await destruction.announce(held)
    await store.close()

    answer = await reading
    assert (answer.status_code, SECRET in answer.text) == (200, True), answer.text


@pytest.mark.parametrize("turn", range(ROTATIONS))
async def test_a_new_key_encryption_key_under_load_and_killed_midway(
    turn, processes, an_order, as_customer, environment, table
):
    orders = [await an_order(assignee=None) for _ in range(40)]
    before = {row["kek_id"] for row in await table.fetch(_KEKS)}
    readers = Readers(processes, orders, as_customer)

    async with readers.reading():
        killed, said = await run(environment, "rotate", "kek", "--batch", "5", kill_after=4)
        assert killed != 0, said
        left = await table.fetchval(_UNDER, list(before))
        resumed, said = await run(environment, "rotate", "kek", "--resume")
        later = [await an_order(assignee=None) for _ in range(5)]

    assert left > 0, "it was done before it was killed"
    assert resumed == 0, said
    after = {row["kek_id"] for row in await table.fetch(_KEKS)}
    assert len(after) == 1
    assert after.isdisjoint(before)
    readers.require_whole()
    await _all_open(processes, [*orders, *later], as_customer)


@pytest.mark.parametrize("turn", range(ROTATIONS))
async def test_new_data_keys_under_load(
    turn, processes, an_order, as_customer, environment, table, sealing
):
    orders = [await an_order(assignee=None) for _ in range(20)]
    readers = Readers(processes, orders, as_customer)

    async with readers.reading():
        killed, said = await run(environment, "rotate", "data-keys", "--batch", "10", kill_after=2)
        code, said = await run(environment, "rotate", "data-keys")
        assert code == 0, said

    assert killed != 0
    current = (
        "SELECT count(*) FROM data_keys WHERE subject = $1 AND retired_at IS NULL"
        " AND retention_class <> 'audit_tag'"
    )
    order = orders[0]
    assert await table.fetchval(current, order.subject) == 0
    scope, classes = f"order/{order.id}", {"user.name": "identity"}
    [again] = await sealing.seal(order.subject, scope, [("user.name", SECRET)], classes=classes)
    assert await table.fetchval(current, order.subject) == 1
    assert again.startswith("s1:")
    readers.require_whole()
    await _all_open(processes, orders, as_customer)


@pytest.mark.parametrize("turn", range(ROTATIONS))
async def test_a_new_key_for_tokens_under_load(
    turn, processes, an_order, as_customer, environment, table
):
    """Who holds a token keeps it; who gets one from either process can use it at both."""
    orders = [await an_order(assignee=None) for _ in range(6)]
    readers = Readers(processes, orders, as_customer)
    refused, granted = [], []
    before = {key["kid"] for key in (await processes[0].client.get(JWKS)).json()["keys"]}

    async def keep_signing_in():
        turn = 0
        identity = (await processes[0].sign_in("kim"))["identity_token"]
        while True:
            turn += 1
            issuer, other = processes[turn % 2], processes[(turn + 1) % 2]
            asked = await issuer.exchange(identity, "warehousing", f"order/{orders[0].id}")
            if asked.status_code == 503 and not STRICT:
                continue
            assert asked.status_code == 200, asked.text
            headers = bearer(asked.json()["access_token"])
            granted.append(headers)
            await asyncio.sleep(0.05)
            for process in (other, issuer):
                answer = await process.get(orders[0].path, headers)
                if answer.status_code not in ({200} if STRICT else {200, 503}):
                    refused.append(answer.text)

    async with readers.reading(readers=2):
        signing_in = asyncio.create_task(keep_signing_in())
        command = await asyncio.create_subprocess_exec(
            *COMMAND, "rotate", "token-signing", env=environment, stdout=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(30):
            while not await table.fetchval(_COMING):  # noqa: ASYNC110  # it tells nobody
                await asyncio.sleep(0.001)
        command.kill()
        await command.wait()
        code, said = await run(environment, "rotate", "token-signing")
        await asyncio.sleep(0.3)
        assert not signing_in.done(), signing_in.exception()
        signing_in.cancel()

    assert code == 0, said
    assert refused == []
    readers.require_whole()
    assert len(granted) > 5
    for process in processes:
        keys = {key["kid"] for key in (await process.client.get(JWKS)).json()["keys"]}
        assert len(keys) == len(before) + 1
        assert keys > before
        for headers in (granted[0], granted[-1]):
            answer = await process.get(orders[0].path, headers)
            assert answer.status_code in ({200} if STRICT else {200, 503})


async def until_noticed(readers):
    async with readers.reading(), asyncio.timeout(20):
        while not readers.failed:  # noqa: ASYNC110  # they tell nobody
            await asyncio.sleep(0.01)


async def test_a_data_key_that_came_out_wrong_is_noticed(
    processes, an_order, as_customer, table, destruction
):
    """What the readers see when a rotation damages something."""
    order = await an_order(assignee=None)
    wrapped = "SELECT key_id, wrapped FROM data_keys WHERE scope = $1"
    held = await table.fetch(wrapped, f"order/{order.id}")
    put = "UPDATE data_keys SET wrapped = $2 WHERE key_id = $1"

    await table.executemany(put, [(row["key_id"], row["wrapped"][::-1]) for row in held])
    await destruction.announce([row["key_id"] for row in held])
    await until_noticed(Readers(processes, [order], as_customer))

    await table.executemany(put, [(row["key_id"], row["wrapped"]) for row in held])
    await destruction.announce([row["key_id"] for row in held])
    await _all_open(processes, [order], as_customer)


async def test_a_signing_key_that_leaves_too_early_is_noticed(
    processes, an_order, as_customer, environment, table, destruction
):
    order = await an_order(assignee=None)
    if await table.fetchval(_LEAVING) is None:
        await run(environment, "rotate", "token-signing")
    leaving = await table.fetchval(_LEAVING)
    put = "UPDATE ring_keys SET ring = $2 WHERE key_id = $1"

    await table.execute(put, leaving, "elsewhere")
    await destruction.announce()
    await until_noticed(Readers(processes, [order], as_customer))

    await table.execute(put, leaving, "token_signing")
    await destruction.announce()
    await _all_open(processes, [order], as_customer)


# The first of them: by it `as_customer` signs.
_LEAVING = (
    "SELECT key_id FROM ring_keys WHERE ring = 'token_signing' AND state = 'leaving'"
    " ORDER BY generation"
)
_OF = "SELECT key_id FROM data_keys WHERE subject = $1"
_WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'records'::regclass"
_KEKS = "SELECT DISTINCT kek_id FROM data_keys WHERE destroyed_at IS NULL"
_UNDER = "SELECT count(*) FROM data_keys WHERE kek_id = ANY($1::text[])"
_COMING = "SELECT count(*) FROM ring_keys WHERE ring = 'token_signing' AND state <> 'current'"
JWKS = "/.well-known/jwks.json"


async def _all_open(processes, orders, as_customer):
    for process in processes:
        for order in orders:
            async with asyncio.timeout(30):
                while True:
                    answer = await process.get(order.path, as_customer(order.subject))
                    if answer.status_code != 503:
                        break
            assert (answer.status_code, SECRET in answer.text) == (200, True), answer.text

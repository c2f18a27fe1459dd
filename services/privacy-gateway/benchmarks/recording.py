# ruff: noqa: T201  # what it prints is what it is for
"""What recording, sealing and opening cost: `python recording.py [seconds] [callers,…] [sizes,…]`.

Starts a PostgreSQL of its own. Group commit is taken beside one commit per record, in one run, and
beside the same without the spool. `sizes` are numbers of records at which an append and a query by
subject are taken: `python recording.py 3 1,32,200,800 10000,1000000`.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import uvloop

import privacy_gateway
from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.audit import leaf
from privacy_gateway.domain.audit.access import Access, FieldAccess
from privacy_gateway.domain.audit.chain import Chain
from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.audit.spool import Signed
from privacy_gateway.domain.vault.data_keys import DataKeys, KeysUnavailable
from privacy_gateway.domain.vault.kek import KeyFile
from privacy_gateway.domain.vault.process_key import ProcessKey
from privacy_gateway.domain.vault.vault import Vault
from privity_contracts import ids
from privity_database import migrate
from privity_deploy.secrets import Secrets
from privity_postgres import DatabaseEntry, PostgresServer, bootstrap, for_sqlalchemy
from privity_postgres.bootstrap import Grants

CATEGORIES = {
    "user.name": "identity",
    "user.contact.phone_number": "identity",
    "user.contact.address.street": "delivery",
    "user.contact.address.city": "delivery",
    "user.contact.address.state": "delivery",
    "user.contact.address.postal_code": "delivery",
}
PEOPLE = 200


async def database(admin: str, name: str, grants: Grants) -> str:
    entry = DatabaseEntry(
        name=name, owner=f"{name}_owner", runtime=name, grants=grants, apart=("log",)
    )
    passwords = dict.fromkeys(entry.roles, "r" * 32) | {entry.owner: "o" * 32}
    await bootstrap(admin, [entry], passwords=passwords)
    folder = Path(privacy_gateway.__file__).parent / "migrations" / name
    owner = for_sqlalchemy(admin, database=name, user=entry.owner, password="o" * 32)
    await migrate(owner, folder)
    return for_sqlalchemy(admin, database=name, user=name, password="r" * 32)


def reading(subject: str, actor: str) -> Access:
    return Access(
        kind="read",
        subject=subject,
        actor=actor,
        actor_kind="staff",
        role="dispatch",
        purpose="delivery",
        clauses=("C2.2", "C4.2"),
        policy="2026-11-22",
        work="site/north",
        service="orders",
        scope=f"account/{subject}",
        resource=subject,
        decision="allow",
        fields=tuple(FieldAccess(f"/{c.rpartition('.')[2]}", c, "reveal") for c in CATEGORIES),
    )


async def per_second(
    work: Callable[[int], Awaitable[object]], *, callers: int, seconds: float
) -> tuple[float, float]:
    """Calls a second, and the 99th percentile in milliseconds."""
    end = time.perf_counter() + seconds
    took: list[float] = []

    async def caller(number: int) -> None:
        turn = number
        while (begun := time.perf_counter()) < end:
            await work(turn)
            took.append(time.perf_counter() - begun)
            turn += callers

    begun = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(callers)))
    rate = len(took) / (time.perf_counter() - begun)
    return rate, sorted(took)[int(len(took) * 0.99)] * 1000


async def microseconds(call: Callable[[], object], times: int = 20_000) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        outcome = call()
        if asyncio.iscoroutine(outcome):
            await outcome
    return (time.perf_counter() - begun) / times * 1e6


async def costs(vault: Vault, log: AuditLog, subject: str) -> None:
    scope, values = f"account/{subject}", [(category, "Rosalind") for category in CATEGORIES]
    tokens = await vault.seal(subject, scope, values, classes=CATEGORIES)
    await vault.prepare(tokens)
    [receipt] = await log.record([reading(subject, "svc_bench")])
    access = reading(subject, "svc_bench")
    at = leaf.stamp(datetime.now(UTC))
    month = at[:7]
    pairs = leaf.tagged_in(access)
    tags = {pair: await vault.tag(pair[0], month, pair[1]) for pair in pairs}

    async def opened() -> None:
        await vault.prepare(tokens)
        with contextlib.suppress(KeysUnavailable):  # a key counts for a moment only
            for token in tokens:
                vault.open(token, receipt)

    measured = {
        "seal six values": lambda: vault.seal(subject, scope, values, classes=CATEGORIES),
        "prepare six tokens": lambda: vault.prepare(tokens),
        "prepare and open six values": opened,
        "one tag": lambda: vault.tag(subject, month, subject),
        "tags of one access": lambda: vault.tags(month, pairs),
        "one leaf of six fields": lambda: leaf.write(access, record_id="rec_x", at=at, tags=tags),
        "blind index": lambda: vault.blind_index("user.contact.email", "rosalind@example.org"),
        "deterministic id": lambda: vault.deterministic_id("ord", "key", subject),
    }
    for name, call in measured.items():
        print(f"{name:<28} {await microseconds(call):8.1f} µs")


async def main(seconds: float, crowds: list[int], sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory(prefix="privity-bench-") as folder:
        server = PostgresServer(Path(folder))
        server.start()
        try:
            keys = DataKeys(
                await database(server.admin_url, "keys", Grants.READ_WRITE),
                KeyFile.read_or_create(Path(folder) / "keks.json"),
                deadline_seconds=10,
            )
            await keys.start()
            vault = Vault(keys, index_key=b"i" * 32, request_key=b"r" * 32)
            audit_url = await database(server.admin_url, "audit", Grants.INSERT_SELECT)
            log, bare = (
                AuditLog(audit_url, vault, chain, deadline_seconds=10)
                for chain in (chain_of(Path(folder)), Spoolless(*parts_of(Path(folder))))
            )
            await log.start()
            await bare.start()
            people = [ids.mint("cus") for _ in range(PEOPLE)]
            clerk = ids.mint("stf")

            await costs(vault, log, people[0])
            for crowd in crowds:
                await grouped(log, people, clerk, crowd, seconds)
                await grouped(bare, people, clerk, crowd, seconds, how="no spool")
                await one_by_one(audit_url, crowd, seconds)
            for size in sizes:
                owner = for_sqlalchemy(
                    server.admin_url, database="audit", user="audit_owner", password="o" * 32
                )
                await filled(owner, log, people, clerk, size=size)
                await settled(server.admin_url)
                await at_size(audit_url, vault, log, people, clerk, size=size)
            await log.close()
            await bare.close()
            await keys.close()
        finally:
            server.remove()


class Spoolless(Chain):
    """Commits only, to see what the spool costs beside it."""

    def _write_down(self, signed: Signed) -> asyncio.Future[None]:
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


def parts_of(folder: Path) -> tuple[ProcessKey, Path]:
    identity = Secrets(folder).ensure("audit-identity.pem", "ed25519").read_text()
    return ProcessKey(identity, now=datetime.now(UTC)), folder / "spool"


def chain_of(folder: Path) -> Chain:
    return Chain(*parts_of(folder))


async def filled(owner: str, log: AuditLog, people: list[str], clerk: str, *, size: int) -> None:
    """Up to so many records, copies of one that was recorded, of very many people."""
    await log.record([reading(people[0], clerk)])
    connection = await asyncpg.connect(for_driver(owner))
    there = await connection.fetchval("SELECT count(*) FROM records")
    await connection.execute(
        "INSERT INTO records SELECT 'rec_' || md5(n::text || $1), recorded_at - n * interval"
        " '1 ms', leaf, kind, decision, purpose, role, 't1:' || (n % 5000), actor_tag,"
        " categories, process_id, batch, position FROM"
        " (SELECT * FROM records ORDER BY recorded_at DESC LIMIT 1) AS one,"
        " generate_series(1, $2::int) AS n",
        str(size),
        max(0, size - there),
    )
    await connection.execute("ANALYZE records")
    await connection.close()


async def settled(admin: str) -> None:
    """What the filling left to be written is not counted with what follows."""
    connection = await asyncpg.connect(admin)
    await connection.execute("CHECKPOINT")
    await connection.close()


async def at_size(
    url: str, vault: Vault, log: AuditLog, people: list[str], clerk: str, *, size: int
) -> None:
    records = Records(url, vault)
    now = datetime.now(UTC)
    filters = Filters(subject=people[1])
    await log.record([reading(people[1], clerk)])
    await records.search(filters, now=now)
    searched = await microseconds(lambda: records.search(filters, now=now), times=200)
    appended = await microseconds(lambda: log.record([reading(people[1], clerk)]), times=300)
    records.close()
    print(f"{size:>9} records: append {appended / 1000:6.2f} ms, a page of one subject"
          f" {searched / 1000:6.2f} ms")  # fmt: skip


async def grouped(
    log: AuditLog,
    people: list[str],
    clerk: str,
    callers: int,
    seconds: float,
    *,
    how: str = "in groups",
) -> None:
    before = log.recorded, log.batches

    async def record(turn: int) -> None:
        await log.record([reading(people[turn % PEOPLE], clerk)])

    cpu = time.process_time()
    rate, late = await per_second(record, callers=callers, seconds=seconds)
    cpu = time.process_time() - cpu
    records, batches = log.recorded - before[0], log.batches - before[1]
    print(
        f"{callers:>4} callers, {how:<15} {rate:8.0f} records/s  p99 {late:6.1f} ms  "
        f"{records / batches:5.1f} a batch  {cpu / records * 1e6:5.0f} µs CPU each"
    )


async def one_by_one(url: str, callers: int, seconds: float) -> None:
    pool = await asyncpg.create_pool(for_driver(url), min_size=1, max_size=min(callers, 32))
    leaf_like = b"x" * 600

    async def record(turn: int) -> None:
        await pool.execute(
            "INSERT INTO records (id, recorded_at, leaf, kind, decision, purpose, role,"
            " subject_tag, actor_tag, categories)"
            " VALUES ($1, now(), $2, 'read', 'allow', 'delivery', 'dispatch',"
            " $3, 'svc_bench', $4)",
            ids.mint("rec"),
            leaf_like,
            f"t1:{turn % PEOPLE}",
            list(CATEGORIES),
        )

    rate, late = await per_second(record, callers=callers, seconds=seconds)
    await pool.close()
    print(f"{callers:>4} callers, one by one      {rate:8.0f} records/s  p99 {late:6.1f} ms")


if __name__ == "__main__":
    asked = [*sys.argv[1:], *["4", "1,32", ""][len(sys.argv) - 1 :]]
    uvloop.run(
        main(
            float(asked[0]),
            [int(each) for each in asked[1].split(",")],
            [int(each) for each in asked[2].split(",") if each],
        )
    )

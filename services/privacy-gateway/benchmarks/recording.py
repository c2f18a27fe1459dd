# ruff: noqa: T201  # what it prints is what it is for
"""What recording, sealing and opening cost: `python recording.py [seconds] [callers,…] [sizes,…]`.

Starts a PostgreSQL of its own. Group commit is taken beside one commit per record, in one run.
`sizes` are numbers of records at which an append and a query by subject are taken; for ten million
it takes 25 GB of disk for a while: `python recording.py 3 1,32,200,800 10000,1000000,10000000`.
"""

import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import growth
import uvloop
from commits import (
    CATEGORIES,
    CONNECTIONS,
    PEOPLE,
    Spoolless,
    Used,
    inserted,
    reading,
    recorded,
)

import privacy_gateway
from privacy_gateway.domain.audit import leaf
from privacy_gateway.domain.audit.chain import Chain
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.vault.data_keys import DataKeys, KeysUnavailable
from privacy_gateway.domain.vault.kek import KeyFile
from privacy_gateway.domain.vault.process_key import ProcessKey
from privacy_gateway.domain.vault.vault import Vault
from privity_contracts import ids
from privity_database import migrate
from privity_deploy.secrets import Secrets
from privity_postgres import DatabaseEntry, PostgresServer, bootstrap, for_sqlalchemy
from privity_postgres.bootstrap import Grants


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
        "blind index": lambda: vault._blind_index("user.contact.email", "rosalind@example.org"),
        "deterministic id": lambda: vault.deterministic_id("ord", "key", subject),
    }
    for name, call in measured.items():
        print(f"{name:<28} {await microseconds(call):8.1f} µs")


async def main(seconds: float, crowds: list[int], sizes: list[int]) -> None:
    with tempfile.TemporaryDirectory(prefix="privity-bench-") as folder_name:
        server = PostgresServer(Path(folder_name))
        server.start()
        try:
            keys = DataKeys(
                await database(server.admin_url, "keys", Grants.READ_WRITE),
                KeyFile.read_or_create(Path(folder_name) / "keks.json"),
                deadline_seconds=10,
            )
            await keys.start()
            vault = Vault(keys, index_key=b"i" * 32, request_key=b"r" * 32)
            audit_url = await database(server.admin_url, "audit", Grants.INSERT_SELECT)
            folder = Path(folder_name)

            def a_log(chain: Chain, **options: int) -> AuditLog:
                return AuditLog(audit_url, vault, chain, deadline_seconds=10, **options)

            log, bare = a_log(chain_of(folder)), a_log(Spoolless(*parts_of(folder)))
            singles = [a_log(chain_of(folder), batch_records=1) for _ in range(CONNECTIONS)]
            for each in (log, bare, *singles):
                await each.start()
            used = Used(server)
            people = [ids.mint("cus") for _ in range(PEOPLE)]
            clerk = ids.mint("stf")

            await costs(vault, log, people[0])
            for each in (
                (log, bare, *singles) if crowds else ()
            ):  # the first record of a person takes a key
                await each.record([reading(person, clerk) for person in people])
            for crowd in crowds:
                asked = (people, clerk, crowd, seconds)
                await recorded([log], *asked, used=used, how="in groups")
                await recorded([bare], *asked, used=used, how="in groups, no spool")
                await recorded(singles[:1], *asked, used=used, how="one a commit")
                many = singles[: min(crowd, CONNECTIONS)]
                await recorded(many, *asked, used=used, how=f"the same, {len(many)} connections")
                await inserted(audit_url, crowd, seconds, used=used)
            known = await growth.Crowd.gathered(vault)
            grown = {}
            for size in sizes:
                owner = for_sqlalchemy(
                    server.admin_url, database="audit", user="audit_owner", password="o" * 32
                )
                begun = time.perf_counter()
                async with growth.room_to_fill(server.admin_url):
                    have = await growth.filled(owner, log, known, size=size)
                print(f"{size:,} records after {time.perf_counter() - begun:.0f} s", flush=True)
                grown[size] = await growth.at_size(
                    audit_url, vault, log, known, used, asked_for=have
                )
            if grown:
                growth.told(grown)
            for each in (log, bare, *singles):
                await each.close()
            await keys.close()
        finally:
            server.remove()


def parts_of(folder: Path) -> tuple[ProcessKey, Path]:
    identity = Secrets(folder).ensure("audit-identity.pem", "ed25519").read_text()
    return ProcessKey(identity, now=datetime.now(UTC)), folder / "spool"


def chain_of(folder: Path) -> Chain:
    return Chain(*parts_of(folder))


if __name__ == "__main__":
    asked = [*sys.argv[1:], *["4", "1,32", ""][len(sys.argv) - 1 :]]
    uvloop.run(
        main(
            float(asked[0]),
            [int(each) for each in asked[1].split(",") if each],
            [int(each) for each in asked[2].split(",") if each],
        )
    )

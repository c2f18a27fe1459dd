# ruff: noqa: T201  # what it prints is what it is for
"""What an append and a page of one person's records cost among ever more records of others.

The others are written by the tables' owner and were never signed: the log would not verify, and
nothing here asks it to. But each is as long, has leaf and columns that agree, and stands in every
index, in the partition that the appends go to. They are copies of one that was recorded, with an
id, a moment of this month, a subject and an actor of their own: a hundred for each subject,
scattered over the month, so that no two of a person's records lie in one page. The batches and
openings that would come with them are there, too. Filling takes the indexes off and builds them
again after.
"""

from __future__ import annotations

import contextlib
import re
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import asyncpg
from commits import Used, reading

from privacy_gateway.clients.line import for_driver
from privacy_gateway.domain.audit import feed
from privacy_gateway.domain.audit.filters import Filters
from privacy_gateway.domain.audit.log import AuditLog
from privacy_gateway.domain.audit.query import Records
from privacy_gateway.domain.vault.vault import Vault
from privity_contracts import ids

EACH = 100
"""Records of one person that a filling adds."""
PEOPLE, ACTORS = 1_000, 50
_ROWS = """
INSERT INTO {part} (id, recorded_at, leaf, kind, decision, purpose, role, subject_tag, actor_tag,
                    categories, process_id, batch, position)
SELECT id, at, convert_to({leaf}, 'UTF8'), 'read', 'allow', 'delivery', 'dispatch', subject, actor,
       $1::text[], 'prc_filled', n / 10, n % 10
FROM (
    SELECT n, at, 'rec_' || lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 11, '0')
           || left(md5(n::text), 15) AS id,
           to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS stamp,
           CASE WHEN person < cardinality($2::text[]) THEN ($2::text[])[person + 1]
                ELSE 't1:' || left(md5(person::text) || md5('x' || person), {length} - 3)
           END AS subject,
           't1:' || left(md5('a' || n % {actors}) || md5('b' || n % {actors}), {length} - 3)
           AS actor
    FROM (SELECT n, n % $3::bigint AS person, date_trunc('month', now(), 'UTC') + (n - $4)
                 * ((now() - date_trunc('month', now(), 'UTC')) / ($5 - $4 + 1)) AS at
          FROM generate_series($4::bigint, $5::bigint) AS n OFFSET 0) AS numbered
    OFFSET 0  -- worked out once a row, not wherever it is named
) AS other
"""
_BATCHES = """
INSERT INTO batches SELECT 'prc_filled', n, $1::bytea, 10, $1::bytea, $1::bytea || $1::bytea, now()
FROM generate_series($2::bigint / 10, $3::bigint / 10) AS n ON CONFLICT DO NOTHING
"""
_OPENINGS = """
INSERT INTO openings
SELECT 't1:' || left(md5(n::text) || md5('x' || n), $1::integer - 3), $2::text, $3::text
FROM generate_series(0, $4::bigint) AS n ON CONFLICT DO NOTHING
"""


class Crowd(NamedTuple):
    """The people who are asked for, and how each is known in this month's records."""

    people: list[str]
    clerk: str
    tags: list[str]

    @classmethod
    async def gathered(cls, vault: Vault) -> Crowd:
        people = [ids.mint("cus") for _ in range(PEOPLE)]
        month = datetime.now(UTC).strftime("%Y-%m")
        tags = await vault.tags(month, [(person, person) for person in people])
        return cls(people, ids.mint("stf"), [tags[person, person] or "" for person in people])


async def filled(owner_url: str, log: AuditLog, crowd: Crowd, *, size: int) -> int:
    """Up to so many records; how many of the crowd have a hundred among them."""
    [receipt] = await log.record([reading(crowd.people[0], crowd.clerk)])
    owner = await asyncpg.connect(for_driver(owner_url))
    there = await owner.fetchval("SELECT count(*) FROM records")
    model = await owner.fetchrow("SELECT * FROM records WHERE id = $1", receipt.record_id)
    opening = await owner.fetchrow("SELECT * FROM openings LIMIT 1")
    subjects, length = max(1, (size - there) // EACH), len(model["subject_tag"])
    async with without_indexes(owner) as part:
        await owner.execute(
            _ROWS.format(part=part, actors=ACTORS, length=length, leaf=leaf_like(model)),
            *(model["categories"], crowd.tags, subjects, there + 1, size),
        )
    await owner.execute(_BATCHES, b"x" * 32, there + 1, size)
    await owner.execute(_OPENINGS, length, opening["month"], opening["sealed"], subjects)
    for table in (part, "batches", "openings"):
        await owner.execute(f"ANALYZE {table}")
    await owner.close()
    return min(subjects, PEOPLE)


def leaf_like(model: Any) -> str:
    """As SQL: the model's leaf with what is another's in place of what was the model's."""
    text = model["leaf"].decode()
    others = {
        model["id"]: "id",
        text.partition('"at":"')[2].partition('"')[0]: "stamp",
        model["subject_tag"]: "subject",
        model["actor_tag"]: "actor",
    }
    parts = re.split(f"({'|'.join(map(re.escape, others))})", text)
    return " || ".join(others.get(part, f"'{part}'") for part in parts)


@contextlib.asynccontextmanager
async def without_indexes(owner: Any) -> AsyncIterator[str]:
    """This month's partition, taken off, to be written to in one go."""
    part = datetime.now(UTC).strftime("records_%Y_%m")
    bounds = await owner.fetchval(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = $1", part
    )
    indexes = await owner.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = $1"
        " AND indexname <> $1 || '_pkey'",
        part,
    )
    await owner.execute(f"ALTER TABLE records DETACH PARTITION {part}")
    await owner.execute(f"ALTER TABLE {part} DROP CONSTRAINT {part}_pkey")
    for index in indexes:
        await owner.execute(f"DROP INDEX {index['indexname']}")
    yield part
    await owner.execute("SET maintenance_work_mem = '1GB'")
    await owner.execute(f"ALTER TABLE {part} ADD PRIMARY KEY (id, recorded_at)")
    for index in indexes:
        await owner.execute(index["indexdef"])
    await owner.execute(f"ALTER TABLE records ATTACH PARTITION {part} {bounds}")


@contextlib.asynccontextmanager
async def room_to_fill(admin: str) -> AsyncIterator[None]:
    """No checkpoint gets in the way, and what the filling left to be written is not counted with
    what follows."""
    connection = await asyncpg.connect(admin)
    await connection.execute("ALTER SYSTEM SET max_wal_size = '24GB'")
    await connection.execute("ALTER SYSTEM SET checkpoint_timeout = '1h'")
    await connection.execute("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        await connection.execute("ALTER SYSTEM RESET ALL")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.execute("CHECKPOINT")
        await connection.close()


class Cost(NamedTuple):
    """The median and the 99th percentile in milliseconds, and processor time in PostgreSQL."""

    median: float
    late: float
    there: float

    def __str__(self) -> str:
        return f"{self.median:6.2f} ms (p99 {self.late:6.1f}, PostgreSQL {self.there:5.0f} µs)"


async def cost_of(work: Callable[[str], Awaitable[object]], people: list[str], used: Used) -> Cost:
    since, took = used.seconds()[1], []
    for person in people:
        begun = time.perf_counter()
        await work(person)
        took.append((time.perf_counter() - begun) * 1000)
    there = (used.seconds()[1] - since) / len(people) * 1e6
    return Cost(statistics.median(took), sorted(took)[int(len(took) * 0.99)], there)


async def at_size(
    url: str, vault: Vault, log: AuditLog, crowd: Crowd, used: Used, *, asked_for: int
) -> dict[str, Cost]:
    """One caller, and each time another person: whoever is asked for was not just asked for."""
    records = Records(url, vault)
    now, words = datetime.now(UTC), feed.Words({}, {}, {})
    filled_up = crowd.people[:asked_for]

    async def page(person: str) -> None:
        found = await records.search(Filters(subject=person), now=now, limit=50)
        if len(found.leaves) < 50 or found.altered:
            raise AssertionError("not the page that was asked for")

    async def second_page(person: str) -> None:
        first = await records.search(Filters(subject=person), now=now, limit=1)
        await records.search(Filters(subject=person), now=now, limit=50, cursor=first.next_cursor)

    async def of_feed(person: str) -> None:
        found = await records.search(Filters(subject=person), now=now, limit=100)
        if not feed.told(found.leaves, words):
            raise AssertionError("nothing to tell")

    async def append(person: str) -> None:
        await log.record([reading(person, crowd.clerk)])

    for person in filled_up[:20]:
        await page(person)
        await append(person)
    costs = {
        "append": await cost_of(append, crowd.people, used),
        "page of 50 of a person": await cost_of(page, filled_up, used),
        "a record, then the 50 before": await cost_of(second_page, filled_up, used),
        "feed of 100": await cost_of(of_feed, filled_up, used),
    }
    records.close()
    return costs


def told(costs: dict[int, dict[str, Cost]]) -> None:
    smallest = min(costs)
    for what in costs[smallest]:
        for size, by_what in sorted(costs.items()):
            ratio = by_what[what].median / costs[smallest][what].median
            work = by_what[what].there / max(1.0, costs[smallest][what].there)
            print(
                f"{what:<30}{size:>12,} records: {by_what[what]}"
                f"   × {ratio:.2f} the time, × {work:.2f} the work of {smallest:,}"
            )

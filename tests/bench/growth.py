"""Whether a read costs more the more there is: the same customers among ever more others.

Others are rows of theirs in each table that a read or its record touches: accounts and addresses,
data keys, records. Nobody asks for them; they are there to be searched through by mistake.
"""

import asyncio
from collections.abc import Callable

import asyncpg

SIZES = (10_000, 100_000, 1_000_000)
_WORDS = (
    """CREATE FUNCTION pg_temp.id(kind text, n integer) RETURNS text IMMUTABLE LANGUAGE sql
       RETURN kind || '_' || substr(md5(kind || n), 1, 26)""",
    """CREATE FUNCTION pg_temp.sealed() RETURNS text IMMUTABLE LANGUAGE sql
       RETURN 's1:key_' || repeat('0', 26) || ':user.name:' || repeat('A', 60)""",
)
_OTHERS = {
    "privity_customers": (
        """INSERT INTO accounts (id, state, name, email, email_index_even, phone, phone_index_even,
                                 password_hash, created_at)
            SELECT pg_temp.id('cus', n), 'pending', pg_temp.sealed(), pg_temp.sealed(),
                   md5(n::text), pg_temp.sealed(), md5(n::text), 'none', now()
            FROM generate_series($1::integer, $2::integer) AS n""",
        """INSERT INTO addresses (id, account_id, recipient, phone, line1, city, country,
                                  request_key, fingerprint)
            SELECT pg_temp.id('adr', n), pg_temp.id('cus', n), pg_temp.sealed(),
                   pg_temp.sealed(), pg_temp.sealed(), pg_temp.sealed(), 'DE',
                   decode(md5(n::text), 'hex'), 'none'
            FROM generate_series($1::integer, $2::integer) AS n""",
    ),
    "privity_keys": (
        """INSERT INTO data_keys (key_id, subject, scope, retention_class, wrapped, kek_id)
            SELECT pg_temp.id('key', n), pg_temp.id('cus', n),
                   'account/' || pg_temp.id('cus', n), 'delivery', decode(md5(n::text), 'hex'),
                   'none'
            FROM generate_series($1::integer, $2::integer) AS n""",
    ),
    "privity_audit": (
        """INSERT INTO records (id, recorded_at, leaf, kind, decision, purpose, role, subject_tag,
                                actor_tag, categories)
            SELECT pg_temp.id('rec', n), now(), decode(repeat('41', 600), 'hex'), 'read',
                   'allow', 'self_service', 'customer', md5(n::text), md5(n::text),
                   '{user.name}'
            FROM generate_series($1::integer, $2::integer) AS n""",
    ),
}


async def _add(url_of: Callable[[str], str], first: int, last: int) -> None:
    for database, statements in _OTHERS.items():
        connection = await asyncpg.connect(url_of(database))
        for words in _WORDS:
            await connection.execute(words)
        for statement in statements:
            await connection.execute(statement, first, last)
        await connection.execute("VACUUM ANALYZE")
        await connection.close()


def show(url_of: Callable[[str], str], measure: Callable[[], tuple[float, str]]) -> None:
    """`measure` reads for a while and gives reads a second and what they cost, in words."""
    there = 0
    print(f"\n{'others in each table':<24}{'requests/s':>12}   processor µs a read")
    for size in SIZES:
        asyncio.run(_add(url_of, there + 1, size))
        there = size
        rate, costs = measure()
        print(f"{size:<24,}{rate:>12,.0f}   {costs}", flush=True)

"""One server, many addresses: the same URL for another role or database, for either driver."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

SCHEMES = {"postgresql", "postgres", "postgresql+asyncpg"}

# SQLAlchemy hands the query to asyncpg.connect(), which knows `ssl` and not libpq's `sslmode`.
TO_ASYNCPG = {"host": "host", "port": "port", "sslmode": "ssl", "ssl": "ssl"}
TO_LIBPQ = {"host": "host", "port": "port", "sslmode": "sslmode", "ssl": "sslmode"}


PLACE = re.compile(r"(?:\[[^\[\]]*\]|[^\[\]:]*)(?::([0-9]*))?")
NO_ADDRESS = (
    "the database URL names no address that can be understood; in its password, / is written %2F,"
    " # %23, ? %3F, @ %40, [ %5B"
)


class UnusableUrl(ValueError):
    """The address cannot be understood; its text is not repeated, it may hold a password."""


def for_sqlalchemy(
    url: str, *, database: str | None = None, user: str | None = None, password: str | None = None
) -> str:
    """`postgresql+asyncpg://…`, as another role or for another database when they are given."""
    rest = _without_scheme(url, TO_ASYNCPG, database=database, user=user, password=password)
    return f"postgresql+asyncpg://{rest}"


def for_driver(
    url: str, *, database: str | None = None, user: str | None = None, password: str | None = None
) -> str:
    """`postgresql://…` as asyncpg, pg_dump and psql read it."""
    rest = _without_scheme(url, TO_LIBPQ, database=database, user=user, password=password)
    return f"postgresql://{rest}"


def _without_scheme(
    url: str,
    names: dict[str, str],
    *,
    database: str | None,
    user: str | None,
    password: str | None,
) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket too many
        raise UnusableUrl(NO_ADDRESS) from None
    if parts.scheme not in SCHEMES:
        raise UnusableUrl("a database URL starts with postgresql://")
    query = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in names:
            raise UnusableUrl(f"the database URL has a parameter that is not supported: {name}")
        query[names[name]] = value
    credentials, _, address = parts.netloc.rpartition("@")
    if not all(map(_names_a_place, address.split(","))):
        raise UnusableUrl(NO_ADDRESS)
    if user is not None:
        credentials = quote(user, safe="")
        if password is not None:
            credentials += ":" + quote(password, safe="")
    netloc = f"{credentials}@{address}" if credentials else address
    path = f"/{quote(database, safe='')}" if database is not None else parts.path
    # Not urlunsplit: it drops an empty authority, and "postgresql:/db" is no address.
    return f"{netloc}{path}" + (f"?{urlencode(query, safe='/')}" if query else "")


def _names_a_place(address: str) -> bool:
    """A host and, if it is said, a port that there is."""
    found = PLACE.fullmatch(address)
    return found is not None and int(found[1] or 0) < 65536

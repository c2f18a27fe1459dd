"""A PostgreSQL that comes with the project, its databases and its roles."""

from privity_postgres.account import NoAccount
from privity_postgres.binaries import BinariesMissing
from privity_postgres.bootstrap import (
    DatabaseEntry,
    Grants,
    ServerTooOld,
    ServerUnusable,
    bootstrap,
    drop,
)
from privity_postgres.place import UnusablePlace
from privity_postgres.server import PostgresServer, ServerFailed
from privity_postgres.urls import UnusableUrl, for_driver, for_sqlalchemy

__all__ = [
    "BinariesMissing",
    "DatabaseEntry",
    "Grants",
    "NoAccount",
    "PostgresServer",
    "ServerFailed",
    "ServerTooOld",
    "ServerUnusable",
    "UnusablePlace",
    "UnusableUrl",
    "bootstrap",
    "drop",
    "for_driver",
    "for_sqlalchemy",
]

"""One request, one transaction: engine, sealed columns, migrations at start."""

from privity_database.columns import SealedText, blind_index
from privity_database.engine import Database, DatabaseUnavailable
from privity_database.migrations import differences, migrate
from privity_database.request import Transaction

__all__ = [
    "Database",
    "DatabaseUnavailable",
    "SealedText",
    "Transaction",
    "blind_index",
    "differences",
    "migrate",
]

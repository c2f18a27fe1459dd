"""What services promise on the wire: categories, sealed fields, purposes, ids, events."""

from privity_contracts.categories import (
    OPERATIONAL,
    Category,
    Timestamp,
    carried,
    derived,
    works_on,
)
from privity_contracts.model import Contract
from privity_contracts.routes import route
from privity_contracts.sealed import BlindIndex, Sealed, Secret

__all__ = [
    "OPERATIONAL",
    "BlindIndex",
    "Category",
    "Contract",
    "Sealed",
    "Secret",
    "Timestamp",
    "carried",
    "derived",
    "route",
    "works_on",
]

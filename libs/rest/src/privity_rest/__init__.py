"""How a service speaks HTTP: callers, refusals, problem documents, the way to the gateway."""

from privity_rest.caller import (
    AnyCaller,
    Caller,
    Customer,
    GatewayItself,
    Partner,
    ServiceCaller,
    Staff,
)
from privity_rest.gateway import Answer, GatewayClient, GatewayUnavailable
from privity_rest.refusals import (
    Conflict,
    Malformed,
    NotAllowed,
    NotFound,
    Refusal,
    TooMany,
    Unauthenticated,
    Unavailable,
    Unprocessable,
)
from privity_rest.service import read_secret, service

__all__ = [
    "Answer",
    "AnyCaller",
    "Caller",
    "Conflict",
    "Customer",
    "GatewayClient",
    "GatewayItself",
    "GatewayUnavailable",
    "Malformed",
    "NotAllowed",
    "NotFound",
    "Partner",
    "Refusal",
    "ServiceCaller",
    "Staff",
    "TooMany",
    "Unauthenticated",
    "Unavailable",
    "Unprocessable",
    "read_secret",
    "service",
]

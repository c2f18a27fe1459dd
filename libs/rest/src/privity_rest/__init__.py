"""How a service speaks HTTP: callers, refusals, problem documents, the way to the gateway."""

from typing import TYPE_CHECKING, Any

from privity_rest.caller import (
    AnyCaller,
    Caller,
    Customer,
    GatewayItself,
    Partner,
    ServiceCaller,
    Staff,
)
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

if TYPE_CHECKING:
    from privity_rest.gateway import Answer, GatewayClient, GatewayUnavailable

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


def __getattr__(name: str) -> Any:
    # The client and all that it brings along: whoever never calls the gateway starts without it.
    if name in {"Answer", "GatewayClient", "GatewayUnavailable"}:
        from privity_rest import gateway  # noqa: PLC0415

        return getattr(gateway, name)
    raise AttributeError(name)

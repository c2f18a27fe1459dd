"""What the gateway asks of a service on its own account, not for somebody."""

from typing import Final

from pydantic import BaseModel

from privacy_gateway.clients.services import Services
from privity_contracts import ids
from privity_rest import Unavailable

_HEADERS: Final = {
    "Privity-Caller": "service",
    "Privity-Actor": "svc_privacy-gateway",
    "Privity-Role": "service",
    "Privity-Purpose": "service_operation",
}


async def ask(
    services: Services,
    service: str,
    path: str,
    asked: BaseModel,
    *,
    otherwise: type[Unavailable],
    timeout_seconds: float = 10,
) -> bytes:
    """The body of the answer. Raises `otherwise` for any answer but 200, and Unavailable."""
    answer = await services.send(
        service,
        "POST",
        path,
        headers={**_HEADERS, "Request-Id": ids.mint("req")},
        body=asked.model_dump_json().encode(),
        timeout_seconds=timeout_seconds,
    )
    if answer.status != 200:
        raise otherwise(f"{service} answered {answer.status}")
    return answer.body

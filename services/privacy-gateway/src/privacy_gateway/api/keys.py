"""Which keys there are, how old, what is due, and how far a rotation is: for who oversees them.

Rotating is for whoever has the keys at hand: `privacy-gateway keys rotate …`.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request

from privacy_gateway.api.admission import Desk, admitted
from privacy_gateway.clients.line import LineFailed
from privacy_gateway.domain.vault.data_keys import KeysUnavailable

router = APIRouter(prefix="/v1/keys")

Overseeing = Annotated[Desk, admitted("key_management")]


@router.get("")
async def how_keys_stand(desk: Overseeing, request: Request) -> dict[str, Any]:
    """Ages and counts, and never a key. Names no person."""
    await desk.record("keys_looked_at", resource="keys")
    try:
        found = await request.app.state.key_status(datetime.now(UTC))
    except LineFailed as exc:
        raise KeysUnavailable(f"no answer: {type(exc).__name__}") from None
    return {
        "items": [line._asdict() for line in found.lines],
        "rotations": [each._asdict() for each in found.running],
        "processes": found.processes,
        "due": found.due,
    }

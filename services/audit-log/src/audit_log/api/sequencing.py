"""How sequencing goes: for whoever runs it, and for alarms."""

from typing import Any

from fastapi import APIRouter, Request, Response

from audit_log.domain.sequencing.sequencer import Sequencer

router = APIRouter()


@router.get("/healthz")
async def health(request: Request, response: Response) -> dict[str, Any]:
    """503 when it is halted or cannot work; standing by for another is healthy."""
    sequencer: Sequencer = request.app.state.sequencer
    if not sequencer.is_well:
        response.status_code = 503
    return {
        "status": "ok" if sequencer.is_well else "unavailable",
        "state": sequencer.state,
        "halted": sequencer.halted,
        "size": sequencer.size,
        "signed": sequencer.signed,
        "cosigned": sequencer.cosigned,
    }

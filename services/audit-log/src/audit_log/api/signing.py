"""The signer's door, for the sequencer alone."""

from fastapi import APIRouter, Request, Response

from audit_log.api.texts import answered
from audit_log.domain.signing import Signer
from privity_transparency.witnessing import SignCheckpoint

router = APIRouter()


@router.post("/checkpoint")
async def sign_checkpoint(request: Request) -> Response:
    """Body: `witnessing.SignCheckpoint`. 200 the signed note; 409 the size signed last; 422."""
    signer: Signer = request.app.state.signer
    return await answered(request, lambda body: str(signer.sign(SignCheckpoint.parse(body))))


@router.get("/verifier-key")
async def verifier_key(request: Request) -> Response:
    signer: Signer = request.app.state.signer
    return Response(f"{signer.verifier}\n", media_type="text/plain")

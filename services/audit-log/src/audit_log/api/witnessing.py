"""The witness's door (c2sp.org/tlog-witness). Whoever has a log's signature may ask."""

from fastapi import APIRouter, Request, Response

from audit_log.api.texts import answered
from audit_log.domain.cosigning import Witness
from privity_transparency.witnessing import AddCheckpoint

router = APIRouter()


@router.post("/add-checkpoint")
async def add_checkpoint(request: Request) -> Response:
    witness: Witness = request.app.state.witness
    now = request.app.state.clock()
    return await answered(
        request, lambda body: str(witness.add(AddCheckpoint.parse(body), now=now))
    )


@router.get("/verifier-key")
async def verifier_key(request: Request) -> Response:
    witness: Witness = request.app.state.witness
    return Response(f"{witness.verifier}\n", media_type="text/plain")


@router.get("/healthz")
async def health() -> dict[str, str]:
    return {"status": "ok"}

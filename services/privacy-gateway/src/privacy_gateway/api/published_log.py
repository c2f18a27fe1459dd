"""The transparency log over HTTP, as c2sp.org/tlog-tiles has it, and proofs of single records.

Checkpoints and hashes tell nobody anything about anyone, and anybody may keep them. Entries and
proofs that hold one need a grant for reviewing, or are the customer's own.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from privacy_gateway.api.accesses import own_reading, require_own
from privacy_gateway.api.arrival import of
from privacy_gateway.api.audit_forms import RecordId
from privacy_gateway.api.reading import log_of, reading, reviewer
from privacy_gateway.domain.audit.published import NotInTheLog, PublishedLog
from privity_transparency.encoding import Malformed, base64_text
from privity_transparency.proof import SUFFIX
from privity_transparency.tiles import TilePath, parse_path

router = APIRouter()
_TEXT, _BYTES = "text/plain; charset=utf-8", "application/octet-stream"
_FOREVER = b"public, max-age=31536000, immutable"
_MOMENTS = b"public, max-age=1"
Size = Annotated[int, Query(ge=0, le=1 << 62)]


@router.get("/v1/audit/log/checkpoint", response_class=Response)
async def checkpoint(request: Request) -> Response:
    """The newest signed note that a witness has cosigned."""
    head = await _log(request).head()
    of(request).cache_control = _MOMENTS
    return Response(head.note, media_type=_TEXT)


@router.get("/v1/audit/log/tile/{path:path}", response_class=Response)
async def tile(request: Request, path: str) -> Response:
    """Hashes for anybody; entries (`tile/entries/…`) for reviewers, recorded."""
    asked = _parsed(path)
    if asked.level is not None:
        content = await _log(request).tile(asked.level, asked.number, asked.width)
        # A tile of a certain width never changes.
        of(request).cache_control = _FOREVER
        return Response(content, media_type=_BYTES)
    who = await reviewer(request)
    await log_of(request).record([reading(request, who, subject=None, resource="entries")])
    content = await _log(request).entries(asked.number, asked.width)
    of(request).cache_control = b"private, no-store"
    return Response(content, media_type=_BYTES)


@router.get("/v1/audit/log/proofs/inclusion", response_class=Response)
async def inclusion(request: Request, index: Size, size: Size) -> Response:
    """The hashes from the leaf's sibling upwards, one a line, in base 64."""
    return _hashes(request, await _log(request).inclusion(index, size))


@router.get("/v1/audit/log/proofs/consistency", response_class=Response)
async def consistency(request: Request, old: Size, size: Size) -> Response:
    """That the log of the old size is the beginning of the other; one hash a line."""
    return _hashes(request, await _log(request).consistency(old, size))


@router.get("/v1/audit/records/{record_id}/proof", response_class=Response)
async def proof_of_a_record(request: Request, record_id: RecordId) -> Response:
    """The record with the proof that it is in the log (c2sp.org/tlog-proof), for a reviewer."""
    who = await reviewer(request)
    await log_of(request).record([reading(request, who, subject=None, resource=record_id)])
    return await _bundle(request, record_id)


@router.get("/v1/my/accesses/{record_id}/proof", response_class=Response)
async def proof_of_an_access(request: Request, record_id: RecordId) -> Response:
    """The same for customers, of records about themselves."""
    asking, _ = await own_reading(request, resource=record_id)
    await require_own(request, record_id, subject=asking.subject or "")
    return await _bundle(request, record_id)


async def _bundle(request: Request, record_id: str) -> Response:
    bundle = await _log(request).proof_of(record_id)
    name = f'attachment; filename="{record_id}{SUFFIX}"'
    return Response(str(bundle), media_type=_TEXT, headers={"Content-Disposition": name})


def _hashes(request: Request, hashes: list[bytes]) -> Response:
    of(request).cache_control = _FOREVER
    return Response("".join(f"{base64_text(each)}\n" for each in hashes), media_type=_TEXT)


def _parsed(path: str) -> TilePath:
    try:
        return parse_path(f"tile/{path}")
    except Malformed:
        raise NotInTheLog("not the path of a tile") from None


def _log(request: Request) -> PublishedLog:
    log: PublishedLog = request.app.state.published_log
    return log

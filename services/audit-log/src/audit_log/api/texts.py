"""Requests and answers in the log's text formats, and the statuses of their refusals."""

from collections.abc import Callable

from fastapi import Request, Response

from audit_log.domain.cosigning import UnknownLog
from audit_log.domain.signing import AnotherLog
from audit_log.domain.succession import AnotherHead, OldSizeAhead
from privity_transparency.encoding import Malformed
from privity_transparency.merkle import NotProven
from privity_transparency.note import NotSigned
from privity_transparency.witnessing import SIZE_MEDIA_TYPE

LONGEST_BODY = 64 * 1024
_TEXT = "text/plain; charset=utf-8"
_REFUSALS: dict[type[Exception], tuple[int, str]] = {
    UnknownLog: (404, "unknown log"),
    NotSigned: (403, "invalid signature"),
    NotProven: (422, "the consistency proof does not verify"),
    Malformed: (400, "malformed request"),
    OldSizeAhead: (400, "the old size is beyond the checkpoint's"),
    AnotherLog: (400, "not a checkpoint that this log signs"),
}


async def body_of(request: Request) -> bytes | None:
    """Nothing when it is longer than any request is."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            return None
    return bytes(body)


async def answered(request: Request, answer: Callable[[bytes], str]) -> Response:
    """What `answer` says to the body, or the refusal that it raises.

    `answer` runs to its end in one go: checking the last head and replacing it are one step.
    """
    body = await body_of(request)
    if body is None:
        return refused(413, "too long")
    try:
        return Response(answer(body), media_type=_TEXT)
    except AnotherHead as refusal:
        return Response(f"{refusal.size}\n", 409, {"content-type": SIZE_MEDIA_TYPE})
    except tuple(_REFUSALS) as refusal:
        return refused(*next(_REFUSALS[kind] for kind in _REFUSALS if isinstance(refusal, kind)))


def refused(status: int, why: str) -> Response:
    return Response(f"{why}\n", status, media_type=_TEXT)

"""The live stream of records, as server-sent events (HTML Living Standard, section 9.2)."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse

from privacy_gateway.api.audit_forms import Asked
from privacy_gateway.api.reading import log_of, placed, reading, reviewer
from privacy_gateway.api.strict_body import body_of
from privacy_gateway.domain.audit.matching import Matching
from privacy_gateway.domain.audit.query import WorkOfNobody
from privacy_gateway.domain.audit.stream import Event, Reader, Streams
from privity_rest import Unauthenticated, Unavailable

router = APIRouter(prefix="/v1/audit")

LastEventId = Annotated[int | None, Header(alias="Last-Event-ID", ge=0, lt=2**62)]


@router.post("/streams")
async def stream(
    request: Request,
    asked: Annotated[Asked, body_of(Asked)],
    last_event_id: LastEventId = None,
) -> StreamingResponse:
    """A POST, because whom it is about has no place in an address. Without Last-Event-ID it begins
    with what is recorded from now on."""
    who = await reviewer(request)
    filters = await placed(request, asked.filters)
    if filters.persons_work is not None and not filters.persons:
        raise WorkOfNobody(errors=[("/work", WorkOfNobody.code)])
    streams: Streams = request.app.state.streams
    index = await streams.start(last_event_id)
    access = reading(request, who, subject=filters.subject, resource="stream")

    async def record() -> None:
        await log_of(request).record([access])

    def may_read() -> bool:
        """The token is asked again, so that whatever ends the grant ends the stream."""
        try:
            return bool(request.scope["privity.authenticate"](time.time()) == who)
        except (Unauthenticated, Unavailable):
            return False

    await record()
    matching = Matching(filters, request.app.state.vault)
    events = streams.follow(index, matching=matching, reader=Reader(record, may_read))
    return StreamingResponse(
        _written(events),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _written(events: AsyncGenerator[Event]) -> AsyncIterator[bytes]:
    yield b"retry: 2000\n\n"
    async with aclosing(events):
        async for event in events:
            # Heartbeats have one too: whoever resumes goes on after what did not match.
            place = f"id: {event.index}\n" if event.index >= 0 else ""
            if event.kind == "heartbeat":
                yield f": still here\n{place}\n".encode()
            else:
                body = orjson.dumps(event.content).decode()
                yield f"{place}event: {event.kind}\ndata: {body}\n\n".encode()

"""Figures of the record of accesses over time."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from privacy_gateway.api.audit_forms import Asked
from privacy_gateway.api.reading import (
    log_of,
    now,
    placed,
    privacy,
    reading,
    records_of,
    reviewer,
)
from privacy_gateway.api.strict_body import body_of
from privacy_gateway.domain.audit import statistics
from privacy_gateway.domain.audit.statistics import Dimension, Period

router = APIRouter(prefix="/v1/audit")


class Question(Asked):
    per: Period = "day"
    by: list[Dimension] = Field(default=[], max_length=3)


@router.post("/statistics")
async def figures(
    request: Request, asked: Annotated[Question, body_of(Question)]
) -> dict[str, Any]:
    """Of the subject or the actor who is named; of everything when nobody is."""
    who = await reviewer(request)
    filters = await placed(request, asked.filters)
    moment = now()
    since, until = statistics.span(filters, asked.per, now=moment)
    access = reading(request, who, subject=filters.subject, resource=filters.actor or "statistics")
    [receipt] = await log_of(request).record([access])
    source: Literal["log", "store"]
    if filters.subject is None and filters.actor is None and filters.persons_work is None:
        source = "log"
        found = await statistics.of_everything(
            request.app.state.database,
            filters,
            period=asked.per,
            by=asked.by,
            since=since,
            until=until,
        )
    else:
        source = "store"
        found = await statistics.of_a_person(
            records_of(request),
            statistics.within(filters, since, until),
            period=asked.per,
            by=asked.by,
            now=moment,
        )
    return {
        "since": since,
        "until": until,
        "per": asked.per,
        "counted_from": source,
        "items": statistics.as_json(found),
        "privacy": privacy(access, receipt.record_id),
    }

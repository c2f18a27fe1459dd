"""Whom the newsletter is for. It is asked for anew each time it is sent; a list that was kept
would outlive the consents that it was made of."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field, StringConstraints

from customers.domain import newsletter
from privity_contracts import OPERATIONAL, Category, Contract, Sealed, route
from privity_contracts.ids import BODY, SubjectId
from privity_database import Transaction
from privity_rest import NotAllowed, Staff

router = APIRouter(prefix="/v1/newsletter", tags=["newsletter"])

PURPOSE = "newsletter"
ConsentId = Annotated[str, StringConstraints(pattern=rf"^con_{BODY}$"), OPERATIONAL]


class NewsletterReader(Contract, subject="id", scope="account/id"):
    id: SubjectId
    name: Annotated[Sealed, Category("user.name")]
    email: Annotated[Sealed, Category("user.contact.email")]


class NewsletterReaders(Contract):
    """Those who agreed first come first."""

    items: list[NewsletterReader]
    next_cursor: ConsentId | None


@router.get("/readers", response_model=NewsletterReaders, openapi_extra=route(purposes=[PURPOSE]))
async def read_readers(
    caller: Staff,
    tx: Transaction,
    cursor: Annotated[ConsentId | None, Query()] = None,
    limit: Annotated[Annotated[int, Field(ge=1, le=50), OPERATIONAL], Query()] = 20,
) -> object:
    if caller.purpose != PURPOSE:
        raise NotAllowed(f"for {PURPOSE} only")
    found = await newsletter.readers(tx, after=cursor, limit=limit + 1)
    shown = [
        NewsletterReader(id=each.id, name=each.name, email=each.email) for each in found[:limit]
    ]
    more = found[limit - 1].consent if len(found) > limit else None
    return NewsletterReaders(items=shown, next_cursor=more)

"""Signing in, staying signed in, signing out."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field, StringConstraints

from customers.api import REVOKE, Hashing, Now, Store, Subject
from customers.domain import attempts, session, signing_in
from privity_contracts import (
    OPERATIONAL,
    BlindIndex,
    Category,
    Contract,
    Secret,
    Timestamp,
    derived,
    route,
)
from privity_contracts.ids import SessionId, SubjectId
from privity_database import Transaction
from privity_rest import AnyCaller, Customer, problems

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])


class SignIn(Contract):
    email_index: Annotated[BlindIndex, Category("user.contact.email"), derived("email")]
    password: Annotated[Secret, Category("user.authorization.password")]


class Refresh(Contract):
    refresh_token: Annotated[Secret, Category("user.authorization.refresh_token")]


class SessionOpened(Contract, subject="account_id"):
    account_id: SubjectId
    session_id: SessionId
    refresh_token: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$"),
        Category("user.authorization.refresh_token"),
        Field(repr=False),
    ]
    refresh_expires_at: Timestamp


class SessionView(Contract, subject="subject_id"):
    subject_id: SubjectId
    id: SessionId
    started_at: Timestamp
    refreshed_at: Timestamp
    ends_at: Timestamp
    current: Annotated[bool, OPERATIONAL]


class Sessions(Contract):
    items: list[SessionView]


@router.post(
    "",
    status_code=201,
    response_model=SessionOpened,
    openapi_extra=route(purposes=["authentication"], answers="session"),
)
async def sign_in(
    body: SignIn, caller: AnyCaller, store: Store, passwords: Hashing, now: Now
) -> object:
    keys = attempts.signing_in(body.email_index)
    async with store.transaction() as tx:
        wait = await attempts.count(tx, keys, attempts.PASSWORD, now=now)
        known = await signing_in.credential(tx, body.email_index)
    if wait is not None:
        raise attempts.TooManyAttempts(retry_after=wait)
    matches = await passwords.matches(body.password, known.password_hash if known else None)
    if known is None or not matches:
        raise signing_in.SignInRefused
    outdated = passwords.is_outdated(known.password_hash)
    renewed_hash = await passwords.hash(body.password) if outdated else None
    async with store.transaction() as tx:
        return await signing_in.admit(
            tx, known, email_index=body.email_index, renewed_hash=renewed_hash, now=now
        )


@router.post(
    "/refresh",
    response_model=SessionOpened,
    openapi_extra=route(purposes=["authentication"], answers="session"),
)
async def refresh(
    body: Refresh, request: Request, caller: AnyCaller, tx: Transaction, now: Now
) -> object:
    outcome = await session.rotate(tx, body.refresh_token, now=now)
    if isinstance(outcome, session.Reused):
        # Answered and not raised: raising would take the revocation back.
        refused = problems.answer(request, session.SessionOver())
        refused.headers[REVOKE] = outcome.session_id
        return refused
    return outcome


@router.get("", response_model=Sessions, openapi_extra=route(purposes=["self_service"]))
async def own_sessions(subject: Subject, caller: Customer, tx: Transaction, now: Now) -> object:
    return {
        "items": [
            {
                "subject_id": one.account_id,
                "id": one.id,
                "started_at": one.started_at,
                "refreshed_at": one.refreshed_at,
                "ends_at": one.ends_at,
                "current": one.id == caller.session,
            }
            for one in await session.living(tx, subject, now=now)
        ]
    }


@router.delete(
    "/current",
    status_code=204,
    response_model=None,
    openapi_extra=route(purposes=["self_service"], answers="session_end"),
)
async def sign_out(subject: Subject, caller: Customer, tx: Transaction, now: Now) -> None:
    if caller.session is not None:
        await session.end(tx, caller.session, account_id=subject, now=now)

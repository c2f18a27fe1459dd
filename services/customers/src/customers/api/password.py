"""One's own password."""

from typing import Annotated

from fastapi import APIRouter, Response

from customers.api import REVOKE, Hashing, Now, Store, Subject
from customers.domain import attempts, password_change
from customers.domain.passwords import require_strength
from privity_contracts import Category, Contract, Secret, route
from privity_rest import Customer

router = APIRouter(prefix="/v1/password", tags=["password"])


class PasswordChange(Contract):
    current: Annotated[Secret, Category("user.authorization.password")]
    new: Annotated[Secret, Category("user.authorization.password")]


@router.put(
    "",
    status_code=204,
    response_model=None,
    openapi_extra=route(purposes=["self_service"]),
)
async def change_password(
    *,
    body: PasswordChange,
    subject: Subject,
    caller: Customer,
    response: Response,
    store: Store,
    passwords: Hashing,
    now: Now,
) -> None:
    require_strength(body.new, field="new")
    verified_hash = await own_password(
        subject, body.current, store=store, passwords=passwords, now=now
    )
    new_hash = await passwords.hash(body.new)
    async with store.transaction() as tx:
        ended = await password_change.change(
            tx,
            subject,
            verified_hash=verified_hash,
            new_hash=new_hash,
            keep=caller.session,
            now=now,
        )
    for session_id in ended:
        response.headers.append(REVOKE, session_id)


async def own_password(
    subject: str, password: Secret, *, store: Store, passwords: Hashing, now: Now
) -> str:
    """The hash that the password was found to match; counted first, like a sign-in."""
    keys = attempts.own_password(subject)
    async with store.transaction() as tx:
        wait = await attempts.count(tx, keys, attempts.PASSWORD, now=now)
        present = await password_change.present_hash(tx, subject)
    if wait is not None:
        raise attempts.TooManyAttempts(retry_after=wait)
    matches = await passwords.matches(password, present)
    if present is None or not matches:
        raise password_change.PasswordNotRight
    return present

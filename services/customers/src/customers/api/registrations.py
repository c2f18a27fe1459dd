"""Opening an account. No answer here tells whether somebody has one."""

from typing import Annotated, Literal

from fastapi import APIRouter

from customers.api import Codes, Hashing, Now, Store
from customers.domain import confirmation, registration
from customers.domain.passwords import require_strength
from privity_contracts import (
    OPERATIONAL,
    BlindIndex,
    Category,
    Contract,
    Sealed,
    Secret,
    Timestamp,
    derived,
    route,
)
from privity_contracts.ids import RegistrationId, is_id
from privity_rest import AnyCaller, Malformed

router = APIRouter(prefix="/v1/registrations", tags=["registrations"])


class NewRegistration(Contract):
    name: Annotated[Sealed, Category("user.name")]
    email: Annotated[Sealed, Category("user.contact.email")]
    email_index: Annotated[BlindIndex, Category("user.contact.email"), derived("email")]
    phone: Annotated[Sealed, Category("user.contact.phone_number")]
    phone_index: Annotated[BlindIndex, Category("user.contact.phone_number"), derived("phone")]
    password: Annotated[Secret, Category("user.authorization.password")]


class RegistrationBegun(Contract):
    id: RegistrationId
    expires_at: Timestamp


class Code(Contract):
    code: Annotated[Secret, Category("user.authorization.code")]


class Confirmed(Contract):
    status: Annotated[Literal["active"], OPERATIONAL]


@router.post(
    "",
    status_code=202,
    response_model=RegistrationBegun,
    openapi_extra=route(purposes=["account_opening"], scope="account/new", new="cus"),
)
async def register(
    body: NewRegistration, caller: AnyCaller, store: Store, passwords: Hashing, now: Now
) -> object:
    if caller.new_id is None or not is_id(caller.new_id, "cus"):
        raise Malformed("the gateway gave no id for the account")
    require_strength(body.password, field="password")
    password_hash = await passwords.hash(body.password)
    applicant = registration.Applicant(
        name=body.name,
        email=body.email,
        email_index=body.email_index,
        phone=body.phone,
        phone_index=body.phone_index,
    )
    async with store.transaction() as tx:
        begun = await registration.begin(
            tx, applicant, account_id=caller.new_id, password_hash=password_hash, now=now
        )
    return {"id": begun.id, "expires_at": begun.expires_at}


@router.post(
    "/{registration_id}/confirmation",
    response_model=Confirmed,
    openapi_extra=route(purposes=["account_opening"]),
)
async def confirm(
    *,
    registration_id: RegistrationId,
    body: Code,
    caller: AnyCaller,
    store: Store,
    codes: Codes,
    now: Now,
) -> object:
    async with store.transaction() as counting:
        salt = await confirmation.count_attempt(counting, registration_id, now=now)
    if not codes.matches(body.code, request_id=registration_id, salt=salt):
        raise confirmation.CodeNotAccepted
    async with store.transaction() as tx:
        await confirmation.confirm(tx, registration_id, now=now)
    return {"status": "active"}

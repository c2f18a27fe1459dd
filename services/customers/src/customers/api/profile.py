"""A customer's own name, e-mail address and phone number."""

from typing import Annotated

from fastapi import APIRouter

from customers.api import Codes, Hashing, Now, Store, Subject
from customers.api.password import own_password
from customers.api.registrations import Code
from customers.domain import email_change, profile
from customers.domain.confirmation import CodeNotAccepted
from customers.models import Account
from privity_contracts import (
    BlindIndex,
    Category,
    Contract,
    Sealed,
    Secret,
    Timestamp,
    derived,
    route,
)
from privity_contracts.ids import SubjectId
from privity_database import Transaction
from privity_rest import Unprocessable

router = APIRouter(prefix="/v1/profile", tags=["profile"])


class Profile(Contract, subject="subject_id", scope="account/subject_id"):
    subject_id: SubjectId
    name: Annotated[Sealed, Category("user.name")]
    email: Annotated[Sealed, Category("user.contact.email")]
    phone: Annotated[Sealed, Category("user.contact.phone_number")]


class ProfileCorrection(Contract):
    """What is absent or null stays as it is."""

    name: Annotated[Sealed, Category("user.name")] | None = None
    phone: Annotated[Sealed, Category("user.contact.phone_number")] | None = None
    phone_index: (
        Annotated[BlindIndex, Category("user.contact.phone_number"), derived("phone")] | None
    ) = None


class NewEmail(Contract):
    email: Annotated[Sealed, Category("user.contact.email")]
    email_index: Annotated[BlindIndex, Category("user.contact.email"), derived("email")]
    password: Annotated[Secret, Category("user.authorization.password")]


class EmailChangeBegun(Contract):
    expires_at: Timestamp


@router.get("", response_model=Profile, openapi_extra=route(purposes=["self_service"]))
async def own_profile(subject: Subject, tx: Transaction) -> object:
    return _view(await profile.own(tx, subject))


@router.patch(
    "",
    response_model=Profile,
    openapi_extra=route(purposes=["self_service"], scope="account/caller"),
)
async def correct_profile(body: ProfileCorrection, subject: Subject, tx: Transaction) -> object:
    phone = None
    if body.phone is not None:
        if body.phone_index is None:
            raise Unprocessable(errors=[("/phone_index", "required")])
        phone = (body.phone, body.phone_index)
    return _view(await profile.correct(tx, subject, name=body.name, phone=phone))


@router.post(
    "/email",
    status_code=202,
    response_model=EmailChangeBegun,
    openapi_extra=route(purposes=["self_service"], scope="account/caller"),
)
async def ask_for_another_email(
    body: NewEmail, subject: Subject, store: Store, passwords: Hashing, now: Now
) -> object:
    verified_hash = await own_password(
        subject, body.password, store=store, passwords=passwords, now=now
    )
    async with store.transaction() as tx:
        expires_at = await email_change.ask(
            tx,
            subject,
            email=body.email,
            email_index=body.email_index,
            verified_hash=verified_hash,
            now=now,
        )
    return {"expires_at": expires_at}


@router.post(
    "/email/confirmation",
    response_model=Profile,
    openapi_extra=route(purposes=["self_service"]),
)
async def confirm_another_email(
    body: Code, subject: Subject, store: Store, codes: Codes, now: Now
) -> object:
    async with store.transaction() as tx:
        request_id, salt = await email_change.count_attempt(tx, subject, now=now)
    if not codes.matches(body.code, request_id=request_id, salt=salt):
        raise CodeNotAccepted
    async with store.transaction() as tx:
        return _view(await email_change.confirm(tx, subject, request_id=request_id, now=now))


def _view(account: Account) -> Profile:
    return Profile(
        subject_id=account.id, name=account.name, email=account.email, phone=account.phone
    )

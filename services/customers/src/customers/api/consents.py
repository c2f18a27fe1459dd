"""What customers agree to: asked, given, withdrawn, and shown with a receipt."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, StringConstraints

from customers.api import Now, Store, Subject
from customers.api.consent_receipt import CONSENT, ConsentReceipt, Controller, receipt
from customers.clients.policy import version_in_force
from customers.domain import consent
from customers.models import ConsentChange, ConsentName
from privity_contracts import OPERATIONAL, Contract, route
from privity_contracts.ids import SubjectId
from privity_database import Transaction
from privity_rest import GatewayClient, NotAllowed, ServiceCaller, Unprocessable

router = APIRouter(prefix="/v1/consents", tags=["consents"])

Name = Annotated[ConsentName, OPERATIONAL]
Version = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}(\.\d{1,3})?$"), CONSENT]
Given = Annotated[bool, CONSENT]


class ConsentWish(Contract):
    """Agreeing names the policy that was read. Withdrawing needs nothing."""

    given: Given
    policy_version: Version | None = None


class ConsentStanding(Contract):
    name: Annotated[ConsentName, CONSENT]
    given: Given
    policy_version: Version | None
    at: Annotated[AwareDatetime | None, CONSENT]


class ConsentView(ConsentStanding, subject="subject_id"):
    subject_id: SubjectId


class Consents(Contract, subject="subject_id"):
    subject_id: SubjectId
    items: list[ConsentStanding]


class ConsentHistory(Contract, subject="subject_id"):
    """Oldest first."""

    subject_id: SubjectId
    items: list[ConsentStanding]


class ConsentState(Contract):
    given: Given
    version: Version | None
    at: Annotated[AwareDatetime | None, CONSENT]


class ConsentStates(Contract):
    """What the gateway asks before a purpose that needs a consent."""

    marketing: ConsentState


@router.get("", response_model=Consents, openapi_extra=route(purposes=["self_service"]))
async def own_consents(subject: Subject, tx: Transaction) -> object:
    known = await consent.latest(tx, subject)
    return {
        "subject_id": subject,
        "items": [_standing(name, known.get(name)) for name in ConsentName],
    }


@router.put("/{name}", response_model=ConsentView, openapi_extra=route(purposes=["self_service"]))
async def set_consent(
    *, name: Name, body: ConsentWish, subject: Subject, request: Request, store: Store, now: Now
) -> object:
    if not body.given:
        async with store.transaction() as tx:
            change = await consent.withdraw(tx, subject, name, now=now)
    else:
        if body.policy_version is None:
            raise Unprocessable(errors=[("/policy_version", "required")])
        gateway: GatewayClient = request.app.state.gateway
        in_force = await version_in_force(gateway)
        async with store.transaction() as tx:
            change = await consent.give(
                tx, subject, name, policy_version=body.policy_version, in_force=in_force, now=now
            )
    return {"subject_id": subject, **_standing(name, change)}


@router.get(
    "/{name}/history",
    response_model=ConsentHistory,
    openapi_extra=route(purposes=["self_service"]),
)
async def consent_history(name: Name, subject: Subject, tx: Transaction) -> object:
    changes = await consent.history(tx, subject, name)
    return {"subject_id": subject, "items": [_standing(name, change) for change in changes]}


@router.get(
    "/{name}/receipt",
    response_model=ConsentReceipt,
    response_model_exclude_none=True,
    openapi_extra=route(purposes=["self_service"]),
)
async def consent_receipt(
    name: Name, subject: Subject, request: Request, tx: Transaction, now: Now
) -> object:
    controller: Controller = request.app.state.controller
    changes = await consent.history(tx, subject, name)
    if not changes:
        raise consent.NeverAsked(f"{subject} never agreed to {name}")
    return receipt(name, changes, controller=controller, now=now)


@router.get(
    "/{subject_id}/state",
    response_model=ConsentStates,
    openapi_extra=route(purposes=["internal"]),
)
async def consent_states(subject_id: SubjectId, caller: ServiceCaller, tx: Transaction) -> object:
    if caller.actor != "svc_privacy-gateway":
        raise NotAllowed("for the gateway itself")
    known = await consent.latest(tx, subject_id)
    return {name: _state(known.get(name)) for name in ConsentName}


def _standing(name: ConsentName, change: ConsentChange | None) -> dict[str, object]:
    return {
        "name": name,
        "given": change is not None and change.given,
        "policy_version": change.policy_version if change else None,
        "at": change.at if change else None,
    }


def _state(change: ConsentChange | None) -> dict[str, object]:
    return {
        "given": change is not None and change.given,
        "version": change.policy_version if change else None,
        "at": change.at if change else None,
    }
